"""The tests mirror the package: a file for each file, in the folder of the same name."""
