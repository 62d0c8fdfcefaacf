"""Names that are nowhere, and the known ones that may be meant by them."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from difflib import SequenceMatcher
import re


__all__ = ["meant", "named"]

_NEAR = 0.7  # Of two names, the share of letters in common.
_INITIALS = 0.9  # That one name is the other's initials says as much.
_MOST_SHOWN = 20
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


def meant(name: str, others: Iterable[str]) -> str | None:
    """Return the one of other names that is most like a name, if any is."""
    best = max(others, key=lambda other: _likeness(name, other), default=None)
    return best if best is not None and _likeness(name, best) >= _NEAR else None


def named(name: str, known: Collection[str]) -> str:
    """Write a name that is none of those known, the known one that may be meant, and them all."""
    found = meant(name, known)
    hint = "" if found is None else f" (did you mean {found!r}?)"
    return f"{name!r}{hint}; there are {sorted(known)[:_MOST_SHOWN]}"


def _likeness(one: str, other: str) -> float:
    if one[:200].lower() in _abbreviations(other) or other[:200].lower() in _abbreviations(one):
        return _INITIALS
    return SequenceMatcher(None, one[:200].lower(), other[:200].lower()).ratio()


def _abbreviations(name: str) -> set[str]:
    """Return what a name may be called for short: initials, its first word, a path's end."""
    words = [word.lower() for word in _WORD.findall(name[:200])]
    end = re.split(r"[./]", name[:200])[-1].lower()
    return {"".join(word[0] for word in words), words[0], end} if len(words) > 1 else set()
