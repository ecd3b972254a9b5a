"""Results on the disk, a line each, written as they come; a later call reads them and goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_FORMAT = "sk_mmbalance comparison"


class Store:
    """Results by candidate's mark and number of the fold.

    Parameters
    ----------
    file : str, path-like or None
        Where they are kept; None keeps them in memory.
    mark : str
        Of the data, the folds and the scoring: a file of another mark is refused.
    """

    def __init__(self, file: Any, mark: str):
        self.found: dict[tuple[str, int], dict[str, Any]] = {}
        self.path = None if file is None else Path(os.fspath(file))
        self._mark = mark
        if self.path is not None:
            self._open(self.path)

    def _open(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size == 0:
            with path.open("w", encoding="utf-8") as stream:
                stream.write(json.dumps({"format": _FORMAT, "mark": self._mark}) + "\n")
            return
        whole = 0  # bytes of whole lines: a process may have died in the middle of one
        with path.open("rb") as stream:
            for number, line in enumerate(stream):
                try:
                    content = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    content = None
                if number == 0:
                    self._check_head(path, content)
                elif content is None:
                    break
                else:
                    self._keep(content)
                whole += len(line)
        if whole < path.stat().st_size:
            with path.open("r+b") as stream:
                stream.truncate(whole)

    def _check_head(self, path: Path, head: Any) -> None:
        if not isinstance(head, dict) or head.get("format") != _FORMAT:
            raise ValueError(f"`results` {path} is no file of results; name another.")
        if head.get("mark") != self._mark:
            raise ValueError(
                f"`results` {path} is of another comparison (other rows, modalities, groups, "
                "folds, scores, seed or release). Remove it to start anew, or name another file: "
                "`results=` (--results)."
            )

    def _keep(self, content: dict[str, Any]) -> None:
        key = (content["model"], int(content["fold"]))
        self.found.setdefault(key, {}).update(content["found"])

    def add(self, model: str, fold: int, found: dict[str, Any]) -> None:
        """Keep what was found of a candidate on a fold; it is on the disk when this returns."""
        content = {"model": model, "fold": fold, "found": found}
        self._keep(content)
        if self.path is None:
            return
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(content) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
