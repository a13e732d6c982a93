"""Flags, help texts and tables of the command line."""
