"""Which process does something, and whether it has ended: what a killed one left may go."""

from __future__ import annotations

from contextlib import suppress
import os
import re
import socket


__all__ = ["is_over", "this_process"]


def this_process() -> str:
    """Return a name of this process: its machine, the numbering of processes there, its number."""
    machine = re.sub(r"\W+", "_", socket.gethostname(), flags=re.ASCII)[:40]
    numbering = 0
    with suppress(OSError):  # Containers may share a machine's name, and number from 1 each.
        numbering = os.stat("/proc/self/ns/pid").st_ino
    return f"{machine}.{numbering}.{os.getpid()}"


def is_over(process: str) -> bool:
    """Tell whether a process is known to have ended; of another machine's that is unknown."""
    place, _, number = process.rpartition(".")
    if os.name != "posix" or place != this_process().rpartition(".")[0] or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
