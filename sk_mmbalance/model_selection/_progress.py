"""How far the training of a search is: a bar, also over what other processes do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm.auto import tqdm

#: Seconds after which is looked again what other processes have done.
LOOK_AGAIN = 0.2


class Bar:
    """A bar over the epochs of all networks, with the time that is left."""

    def __init__(self, name: str, shown: Any):
        self._bar = tqdm(total=0, desc=name, unit="epoch", disable=not shown)
        self._one_at_a_time = threading.Lock()

    def expect(self, n_epochs: int) -> None:
        """So many more are to be done."""
        with self._one_at_a_time:
            self._bar.total += n_epochs
            self._bar.refresh()

    def done(self, n_epochs: int) -> None:
        """So many were done."""
        self._bar.update(n_epochs)

    def close(self) -> None:
        """Leave it as it is."""
        self._bar.close()


class ToldBar:
    """Tells a bar in another process, by lines of a file.

    Parameters
    ----------
    file : Path or None
        Where somebody reads them; None tells nobody. A file that is not there, as on another
        machine, is not written.
    """

    def __init__(self, file: Path | None):
        self._file = file

    def expect(self, n_epochs: int) -> None:
        """So many more are to be done."""
        self._tell(f"expect {n_epochs}\n")

    def done(self, n_epochs: int) -> None:
        """So many were done."""
        self._tell(f"done {n_epochs}\n")

    def close(self) -> None:
        """Nothing is held."""

    def _tell(self, line: str) -> None:
        if self._file is None or not self._file.exists():
            return
        with contextlib.suppress(OSError), self._file.open("a") as lines:
            lines.write(line)  # short ones are written whole, whoever else writes


@contextmanager
def heard_by(bar: Bar | ToldBar, shown: Any) -> Iterator[Path | None]:
    """A file whose lines move the bar while the block runs; None where it is not shown."""
    if not shown:
        yield None
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "epochs"
        file.touch()
        ended = threading.Event()
        listener = threading.Thread(target=_listen, args=(file, bar, ended), daemon=True)
        listener.start()
        try:
            yield file
        finally:
            ended.set()
            listener.join()


def _listen(file: Path, bar: Bar | ToldBar, ended: threading.Event) -> None:
    with file.open() as lines:
        last = False
        while True:
            for line in lines:
                what, number = line.split()
                getattr(bar, what)(int(number))
            if last:
                return
            last = ended.wait(LOOK_AGAIN)  # and then once more, for what was written meanwhile
