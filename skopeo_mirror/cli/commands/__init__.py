"""A module a command, loaded when the command is asked for."""
