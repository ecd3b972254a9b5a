"""Parameters that many estimators share: of which kind their values must be.

What a value may be beyond its kind, its estimator says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from numbers import Integral, Real
from typing import Any

import numpy as np

Check = tuple[Callable[[Any], bool], str]


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral)


def _is_seed(value: Any) -> bool:
    if isinstance(value, Integral):
        return 0 <= int(value) < 2**32
    return value is None or isinstance(value, np.random.RandomState)


def is_real(value: Any) -> bool:
    """Whether it is a real number, and known; True is none."""
    return isinstance(value, Real) and not isinstance(value, bool) and bool(value == value)


def is_word(value: Any, words: Collection[str]) -> bool:
    """Whether a value, which may be anything (an array, say), is one of some words."""
    return isinstance(value, str) and value in words


def check_word(name: str, value: Any, words: Collection[str]) -> None:
    """Refuse what is none of some words, by the parameter's name."""
    if not is_word(value, words):
        those = " or ".join(map(repr, words)) if len(words) == 2 else f"one of {tuple(words)}"
        raise ValueError(f"`{name}` must be {those}; got {value!r}.")


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Whether a value is None, or passes."""
    return lambda value: value is None or check(value)


TEXT: Check = (lambda value: isinstance(value, str), "text")
NUMBER: Check = (is_real, "a number")
FLAG: Check = (lambda value: isinstance(value, bool | np.bool_), "True or False")

#: By name; the same name means the same everywhere.
SHARED: dict[str, Check] = {
    "missing": (lambda value: isinstance(value, str), "'error' or 'mask'"),
    "n_jobs": (
        _or_none(lambda v: _is_whole(v) and int(v) != 0 and abs(int(v)) < 2**31),
        "an integer other than 0, or None",
    ),
    "random_state": (_is_seed, "an integer from 0 to 2**32 - 1, a RandomState instance or None"),
    "verbose": (_is_whole, "an integer, True or False"),
}


def check_kinds(owner: Any, kinds: dict[str, Check]) -> None:
    """Refuse values of the wrong kind.

    Parameters
    ----------
    owner : object
        What has the parameters as attributes; those it lacks are left out.
    kinds : dict of str to (callable, str)
        By name, what a value must pass, and in words what it must be.

    Raises
    ------
    TypeError or ValueError
        By the name of the parameter: the first if the value is of a type that is never right.
    """
    for name, (passes, what) in kinds.items():
        if not hasattr(owner, name):
            continue
        value = getattr(owner, name)
        if not passes(value):
            kind = ValueError if isinstance(value, str | Real) else TypeError
            raise kind(f"`{name}` must be {what}; got {value!r}.")
