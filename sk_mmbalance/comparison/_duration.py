"""Durations as people write them."""

from __future__ import annotations

import re
from numbers import Real
from typing import Any

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_FORM = re.compile(r"(?:(?P<h>[\d.]+)h)?(?:(?P<m>[\d.]+)m(?:in)?)?(?:(?P<s>[\d.]+)s?)?")


def read_duration(given: Any) -> float | None:
    """Seconds of ``90``, ``"90s"``, ``"10m"`` or ``"1h30m"``; None stays None.

    Parameters
    ----------
    given : float, str or None
        A number of seconds, or numbers with the units h, m and s.

    Returns
    -------
    seconds : float or None
        More than 0.

    Raises
    ------
    ValueError
        If it cannot be read, or is not above 0.

    Examples
    --------
    >>> from sk_mmbalance.comparison import read_duration
    >>> read_duration("10m"), read_duration("1h30m"), read_duration(5)
    (600.0, 5400.0, 5.0)
    """
    if given is None:
        return None
    seconds = 0.0
    if isinstance(given, Real) and not isinstance(given, bool):
        seconds = float(given)
    elif isinstance(given, str):
        found = _FORM.fullmatch(given.strip().lower())
        try:
            parts = found.groupdict() if found else {}
            seconds = sum(_UNITS[unit] * float(n) for unit, n in parts.items() if n)
        except ValueError:
            seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(
            f"`time_limit` must be seconds, or a time like '90s', '10m' or '1h30m'; got {given!r}."
        )
    return seconds


def told(seconds: float) -> str:
    """A duration for people: ``0.4 s``, ``12 s``, ``3 min``, ``2.1 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
