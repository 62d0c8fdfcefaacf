"""Reports of what prior studies did for a study: in optuna-dashboard, or as a file."""

from optuna_meta.reporting.html_file import html_report
from optuna_meta.reporting.publish import publish_report


__all__ = ["html_report", "publish_report"]
