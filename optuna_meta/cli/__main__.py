"""``python -m optuna_meta.cli``."""

import sys

from optuna_meta.cli.main import main


sys.exit(main())
