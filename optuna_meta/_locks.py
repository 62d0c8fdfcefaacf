"""The lock under which threads compute, and which no fork leaves locked."""

from __future__ import annotations

import os
import threading


__all__ = ["COMPUTING"]

# No storage is asked under it, lest threads wait for each other's. Not a lock of an object, which
# would have to be pickled, and which a child, forked while a thread held it, would wait for.
COMPUTING = threading.RLock()
if hasattr(os, "register_at_fork"):
    released = COMPUTING.release
    os.register_at_fork(
        before=COMPUTING.acquire, after_in_parent=released, after_in_child=released
    )
