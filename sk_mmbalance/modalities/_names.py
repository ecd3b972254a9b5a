"""What may serve as the name of a modality, and how messages speak of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def check_names(names: Iterable[Any], *, parameter: str = "X") -> list[str]:
    """Sorted names, or an error that says which one is bad.

    ``"__"`` is scikit-learn's separator of nested parameters and ours of columns in `history_`.
    """
    names = list(names)
    if not names:
        raise ValueError(f"`{parameter}` must hold at least one modality; got none.")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"`{parameter}` modality names must be strings; got {name!r} "
                f"({type(name).__name__})."
            )
        if not name or "__" in name:
            raise ValueError(
                f"`{parameter}` modality names must not be empty or contain '__'; got {name!r}. "
                "Rename it."
            )
    return sorted(str(name) for name in names)


def the_modality(name: str) -> str:
    """How an error message speaks of a modality."""
    return f"`X` modality {name!r}"
