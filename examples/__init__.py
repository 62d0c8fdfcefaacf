"""Programs to read and to run; the folders are whole applications, run as ``python -m``."""
