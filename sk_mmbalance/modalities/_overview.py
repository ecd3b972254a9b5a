"""What `Modalities` say of themselves: a table, and a page of HTML with a picture of what lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from ._missing import missing_rows, missing_values
from ._tables import columns_of, is_table

#: Parts into which the picture cuts the rows: about a millimetre each.
_PARTS = 60


def overview(items: Iterable[tuple[str, Any]]) -> pd.DataFrame:
    """One row a modality: shape, dtypes, what is missing, bytes."""
    rows = {name: _said_of(value) for name, value in items}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("modality")


def overview_html(items: Iterable[tuple[str, Any]], n_samples: int) -> str:
    """The same as HTML, with a strip per modality: darker where more rows have it."""
    lines = []
    for name, value in items:
        said = _said_of(value)
        cells = (
            escape(name),
            escape(" × ".join(map(str, said["shape"]))),
            escape(said["dtypes"]),
            f"{said['missing_rows']:.1%}",
            f"{said['missing_values']:.1%}",
            _strip(~missing_rows(value)),
        )
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(
        f"<th>{title}</th>"
        for title in ("modality", "one row", "dtype", "missing rows", "missing values", "rows")
    )
    return (
        f"<div><strong>Modalities</strong>, {n_samples} rows"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _said_of(value: Any) -> dict[str, Any]:
    flags = missing_values(value)
    return {
        "shape": tuple(value.shape[1:]),
        "dtypes": _dtypes(value),
        "missing_rows": float(missing_rows(value).mean()) if value.shape[0] else 0.0,
        "missing_values": 0.0 if flags is None else float(flags.mean()),
        "bytes": _bytes(value),
    }


def _dtypes(value: Any) -> str:
    """``float64``, or ``3 x float64, 1 x str`` for a table of several."""
    if isinstance(value, pd.DataFrame):
        found = Counter(str(dtype) for dtype in value.dtypes)
    elif is_table(value):
        found = Counter(str(column.dtype) for _, column in columns_of(value))
    else:
        return str(value.dtype)
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{count} x {dtype}" for dtype, count in sorted(found.items()))


def _bytes(value: Any) -> int:
    if isinstance(value, pd.DataFrame):
        return int(value.memory_usage(index=False, deep=True).sum())
    if issparse(value):
        return int(value.tocsr().data.nbytes)
    if isinstance(value, np.ndarray) and value.dtype == object:
        return int(sum(getattr(item, "nbytes", len(str(item))) for item in value.reshape(-1)))
    return int(getattr(value, "nbytes", 0))


def _strip(present: np.ndarray) -> str:
    """Rows from left to right, in up to sixty parts; how dark a part is says how many have it."""
    parts = np.array_split(present, min(_PARTS, max(1, len(present))))
    shares = [float(part.mean()) if len(part) else 0.0 for part in parts]
    bars = "".join(
        f'<rect x="{2 * j}" width="2" height="14" fill="#0072B2" fill-opacity="{share:.2f}"/>'
        for j, share in enumerate(shares)
        if share > 0
    )
    width = 2 * len(parts)
    return (
        f'<svg width="{width}" height="14" role="img" aria-label="{present.mean():.0%} of rows">'
        f'<rect width="{width}" height="14" fill="none" stroke="#888888" stroke-width="0.5"/>'
        f"{bars}</svg>"
    )
