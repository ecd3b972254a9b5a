"""Which modalities are the weak side and which the strong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...modalities import CheckedModalities
from ._columns import SideColumns


def named_side(value: Any, parameter: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Modality names given for one side, checked and sorted."""
    names = (value,) if isinstance(value, str) else tuple(value)
    if not names:
        raise ValueError(
            f"`{parameter}` must name at least one modality of {list(known)}; got none."
        )
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"`{parameter}` must be a modality name or several; got {name!r}. Columns of a "
                f"flat table become modalities with `modalities=`."
            )
        if name not in known:
            raise ValueError(
                f"`{parameter}` names modality {name!r}, which `X` does not have; got "
                f"{list(known)}."
            )
    return tuple(sorted(set(names)))


def resolve_sides(
    weak: Any, strong: Any, known: tuple[str, ...], score_alone: Callable[[str], float]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the weak and of the strong modalities.

    Parameters
    ----------
    weak : "auto", str or sequence of str
        "auto" is the modality that scores lowest alone, or all that `strong` leaves over.
    strong : "rest", str or sequence of str
        "rest" is every modality that is not weak.
    known : tuple of str
        The modalities at hand. A single one is the strong side, and nothing is weak.
    score_alone : callable
        Cross-validated score of one modality; called only if there is something to decide.

    Returns
    -------
    weak, strong : tuple of str
    """
    strong_names = None if _is(strong, "rest", known) else named_side(strong, "strong", known)
    if not _is(weak, "auto", known):
        weak_names = named_side(weak, "weak", known)
    elif len(known) == 1:
        weak_names = ()
    elif strong_names is not None:
        weak_names = tuple(name for name in known if name not in strong_names)
        if not weak_names:
            raise ValueError(
                f"`strong`={list(strong_names)} takes every modality, and nothing is left for "
                f"`weak`. Leave one out, or name it in `weak`."
            )
    else:
        # by name first, so that a tie does not depend on the order of the input
        weak_names = (min(sorted(known), key=score_alone),)
    if strong_names is None:
        strong_names = tuple(name for name in known if name not in weak_names)
        if not strong_names:
            raise ValueError(
                f"`weak`={list(weak_names)} takes every modality of `X`, and nothing is left for "
                f"`strong`. Pass another modality."
            )
    both = sorted(set(weak_names) & set(strong_names))
    if both:
        raise ValueError(
            f"`weak` and `strong` must not share modalities; both name {both}. Give each "
            f"modality one side."
        )
    return weak_names, strong_names


def _is(value: Any, word: str, known: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value == word and word not in known


def scale_ratio(checked: CheckedModalities) -> float:
    """Largest over smallest standard deviation of the columns; constant ones do not count."""
    spreads = []
    for name in checked.names:
        columns = SideColumns([checked.flat(name)])
        present = checked.present_in(name)
        mean = columns.mean(present)
        squares, size = np.zeros_like(mean), np.zeros_like(mean)
        for rows, block in columns.blocks():
            counted = present[rows, None]
            squares += np.sum((block - mean) ** 2, axis=0, where=counted)
            size = np.maximum(size, np.max(np.abs(block), axis=0, where=counted, initial=0.0))
        spread = np.sqrt(squares / max(int(np.sum(present)), 1))
        spreads.append(spread[spread > 1e-10 * size])
    joined = np.concatenate(spreads)
    return float(joined.max() / joined.min()) if len(joined) else 1.0
