"""The exported model, and those who load it."""
