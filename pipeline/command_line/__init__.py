"""The parser and the commands of the command line."""
