"""A bar over fits, and the warnings of many fits said once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tqdm.auto import tqdm

#: Takes an iterable and its length, gives an iterable.
Progress = Callable[[Any, int], Any]


def bar_over_fits(title: str, verbose: Any) -> Progress | None:
    """Bar over experts and folds; None if not wanted.

    A bar that shows nothing would still start a thread that stays.
    """
    if not verbose:
        return None

    def show(results: Any, total: int) -> Any:
        return tqdm(results, total=total, desc=title, unit="fit")

    return show


def say(text: str) -> None:
    """One line of what was learnt, beside bars that may run."""
    tqdm.write(text)


Notice = tuple[type[Warning], str]


def heard(function: Callable[..., Any], *args: Any) -> tuple[Any, list[Notice]]:
    """A result, and the warnings that came with it; what the user's filters make errors of, is."""
    with warnings.catch_warnings(record=True) as caught:
        result = function(*args)
    return result, [(one.category, str(one.message)) for one in caught]


@dataclass
class Notices:
    """Warnings of fits, each of which is given on once, with the name of the first it came from."""

    _first: dict[Notice, str] = field(default_factory=dict)
    _count: dict[Notice, int] = field(default_factory=dict)

    def add(self, where: str, notices: Iterable[Notice]) -> None:
        """Hear those of one fit."""
        for notice in notices:
            self._first.setdefault(notice, where)
            self._count[notice] = self._count.get(notice, 0) + 1

    def give(self) -> None:
        """Give them on."""
        for (category, text), where in self._first.items():
            others = self._count[category, text] - 1
            more = f", and {others} more alike" if others else ""
            warnings.warn(f"({where}{more}) {text}", category, stacklevel=2)
