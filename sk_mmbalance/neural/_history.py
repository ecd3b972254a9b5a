"""The training history as a table."""

from __future__ import annotations

from typing import Any

import pandas as pd

_FIRST = ["epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy", "gap", "seconds"]


def history_frame(history: Any, names: list[str]) -> pd.DataFrame:
    """One row an epoch: fused figures first, then each modality's behind its name.

    ``gap`` is the largest difference between two modalities' own training losses: how unequal
    they are. Where the target has no accuracy (numbers) there are no such columns.
    """
    dropped = ("batches", "dur", "train_batch_count", "valid_batch_count")
    rows = []
    for entry in history:
        row = {key: value for key, value in entry.items() if key not in dropped}
        row["seconds"] = entry.get("dur", float("nan"))
        losses = [row[f"{m}__train_loss"] for m in names if f"{m}__train_loss" in row]
        row["gap"] = max(losses) - min(losses) if losses else float("nan")
        rows.append(row)
    # every column once, in the order in which it comes first: what pandas would make of the rows
    found = list(dict.fromkeys(column for row in rows for column in row))
    said = any("accuracy" in str(column) for column in found)
    wanted = [column for column in _FIRST if said or "accuracy" not in column]
    columns = [str(column) for column in found]
    of_each: dict[str, list[str]] = {m: [] for m in names}
    for column in sorted(columns):
        name, of_a_modality, _ = column.partition("__")  # which no name of a modality contains
        if of_a_modality and name in of_each:
            of_each[name].append(column)
    own = [column for m in names for column in of_each[m]]
    hidden = {column for column in columns if column.endswith("_best")}
    elsewhere = {*wanted, *own, *hidden}
    rest = [column for column in columns if column not in elsewhere]
    nothing = float("nan")
    shown = [*wanted, *rest, *own]
    return pd.DataFrame({column: [row.get(column, nothing) for row in rows] for column in shown})
