"""What the columns of a table hold: numbers, categories, text or dates."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

NUMBERS, CATEGORIES, TEXT, DATES, NOTHING = "numbers", "categories", "text", "dates", "nothing"

#: Strings with more kinds than this are text; a column for each kind would outnumber all others.
MOST_CATEGORIES = 40

_ISO_DATE = r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"


def kinds_of_columns(where: str, table: pd.DataFrame) -> dict[Any, str]:
    """Kind of every column, by its label.

    Raises
    ------
    TypeError
        If a column holds what no encoder of ours takes.
    """
    return {label: kind_of_column(where, label, column) for label, column in table.items()}


def kind_of_column(where: str, label: Any, column: pd.Series) -> str:
    """Kind of one column."""
    types = pd.api.types
    if column.isna().all():
        return NOTHING
    if types.is_bool_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return CATEGORIES
    if types.is_datetime64_any_dtype(column):
        return DATES
    if types.is_numeric_dtype(column) and not types.is_complex_dtype(column):
        return NUMBERS
    values = column.dropna()
    found = {_kind_of_value(value) for value in values}
    if found == {"number"}:
        return NUMBERS
    if found == {"bool"}:
        return CATEGORIES
    if found == {"date"}:
        return DATES
    if found != {"text"}:
        said = sorted({type(value).__name__ for value in values})
        raise TypeError(
            f"{where} has column {label!r} with values of type {', '.join(said[:4])}, for which "
            "there is no default. Make it numbers, strings or dates of one kind "
            "(frame[column].astype(str), .dt.total_seconds()), or leave it out."
        )
    if values.str.fullmatch(_ISO_DATE).all():
        return DATES
    n_kinds = values.nunique()
    return CATEGORIES if n_kinds <= MOST_CATEGORIES and 2 * n_kinds <= len(values) else TEXT


def _kind_of_value(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float | np.integer | np.floating):
        return "number"
    if isinstance(value, date | np.datetime64):  # pandas' and Python's times are dates too
        return "date"
    return "other"
