"""What a sampler tells its user: each thing once, in Optuna's log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import optuna

from optuna_meta.studies.outage import cause_of


if TYPE_CHECKING:
    from optuna import Study


__all__ = ["Notices"]

_logger = optuna.logging.get_logger("optuna.meta")  # Under "optuna": its handler and verbosity.


class Notices:
    """Tells each message once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, message: str, level: int = logging.WARNING, detail: str = "") -> None:
        """Log a message and a detail, unless the message was logged before."""
        if message not in self._told:
            self._told.add(message)
            _logger.log(level, message + detail)

    def tell_failure(self, study: Study, what: str, error: Exception) -> None:
        """Tell that something went wrong that is not worth the user's trial."""
        message = f"{what} failed in study {study.study_name!r}"
        self.tell(message, detail=f": {cause_of(error)}. The trial goes on without it.")
