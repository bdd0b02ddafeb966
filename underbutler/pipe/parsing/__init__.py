"""The command line of a task: its parser and options, and what the words ask for."""
