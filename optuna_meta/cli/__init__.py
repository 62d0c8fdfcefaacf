"""The command line: arguments -> calls of the rest."""
