"""A bar over the checks of a solver, whose number nobody knows before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm


@contextmanager
def bar_over_checks(title: str, verbose: Any) -> Iterator[Callable[[float], None] | None]:
    """Who is to be told of each relative gap; None if no bar is wanted."""
    if not verbose:  # a bar that shows nothing would still start a thread that stays
        yield None
        return
    with tqdm(desc=title, unit="check") as bar:

        def told(gap: float) -> None:
            bar.set_postfix_str(f"relative gap {gap:.1e}", refresh=False)
            bar.update()

        yield told
