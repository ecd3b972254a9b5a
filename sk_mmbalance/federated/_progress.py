"""A bar over the rounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

from ._engine import AfterRound
from ._server import Server


@contextmanager
def progress(title: str, n_rounds: int, wanted: bool) -> Iterator[AfterRound | None]:
    """Bar over rounds, as what is called after each; none if not wanted.

    A bar of tqdm that shows nothing would still start a thread that stays.
    """
    if not wanted:
        yield None
        return
    with tqdm(total=n_rounds, desc=title, unit="round") as bar:

        def show(server: Server) -> None:
            bar.set_postfix(accuracy=server.history[-1].get("accuracy"))
            bar.update()

        yield show


def say_at_the_end(title: str, server: Server) -> None:
    """One line of what was learnt."""
    last: dict = server.history[-1] if server.history else {}
    found = last.get("accuracy")
    known = "" if found is None or found != found else f", accuracy {found:.3f}"
    tqdm.write(f"{title}: {server.round} rounds, {len(server.known)} clients{known}")
