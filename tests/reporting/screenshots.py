"""Pictures of the documentation: ``python -m tests.reporting.screenshots [FOLDER]``.

The folder is ``docs/images`` by default. It takes Chromium, and a minute.
"""

from __future__ import annotations

from pathlib import Path
import sys
import tempfile

import optuna

from optuna_meta.reporting import publish_report
from tests.reporting.scene import Browser
from tests.reporting.scene import dashboard
from tests.reporting.scene import run_study


PAGES = {
    "dashboard-figures.png": ("", (1400, 2200)),
    "dashboard-note.png": ("/note", (1400, 1150)),
}


def main(folder: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        study, _ = run_study(place, n_trials=20)
        publish_report(study)
        browser = Browser(place / "profile")
        with dashboard(f"sqlite:///{place / 'studies.db'}", place / "artifacts") as url:
            for name, (page, size) in PAGES.items():
                address = f"{url}/dashboard/studies/{study._study_id}{page}"
                browser.screenshot(address, folder / name, size)
                print(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
