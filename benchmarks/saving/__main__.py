"""Check the estimate of what a study saved: ``python -m benchmarks.saving --help``."""

from benchmarks.saving.validation import main


if __name__ == "__main__":
    main()
