"""All modalities together: by name, in two levels, flat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from sk_mmbalance import Modalities

from ._forms import plain

#: What a whole input of several modalities can be given as.
WHOLES = ("dict", "Modalities", "two levels", "flat", "flat frame", "flat polars", "reversed dict")


def by_name(how: str, values: dict[str, Any]) -> Any:
    """Modalities by name, or in two levels."""
    if how == "Modalities":
        return Modalities(values)
    if how == "two levels":
        return pd.concat({n: pd.DataFrame(v) for n, v in values.items()}, axis=1)
    return dict(reversed(values.items())) if how == "reversed dict" else dict(values)


def flat(how: str, arrays: dict[str, np.ndarray]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """A flat table, its blocks, and the same in plain form."""
    table = np.column_stack(list(arrays.values()))
    edges = np.cumsum([0, *(A.shape[1] for A in arrays.values())])
    blocks: dict[str, Any] = {
        name: slice(int(a), int(b))
        for name, a, b in zip(arrays, edges[:-1], edges[1:], strict=True)
    }
    same = {name: plain(table[:, block]) for name, block in blocks.items()}
    if how == "flat":
        return table, blocks, same
    labels = [f"c{j}" for j in range(table.shape[1])]
    blocks = {name: labels[block] for name, block in blocks.items()}
    if table.dtype == np.float16:
        table = table.astype("float32")
    frame = pd.DataFrame(table, columns=labels)
    return (pl.from_pandas(frame) if how == "flat polars" else frame), blocks, same
