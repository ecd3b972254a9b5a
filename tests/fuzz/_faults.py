"""How a sound case is spoilt in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from ._case import NEW, Case
from ._labels import bad_labels
from ._no_input import no_numbers, no_wholes
from ._numbers import bad_groups, bad_numbers, bad_weights

#: What is spoilt, as often as it stands here.
FAULTS = (
    *["none"] * 14,
    *["modality"] * 3,
    *["y"] * 3,
    "whole",
    "weight",
    "weight",
    "groups",
    "few rows",
    "new modality",
    "new modality",
    "new names",
    "new columns",
    "scale",
)


def spoil(
    case: Case,
    pick: Any,
    fault: str,
    names: tuple[str, ...],
    n: int,
    target: str,
    unlabelled: bool,
    groups: str | None,
    weights: bool,
) -> None:
    """Spoil one thing."""
    if fault == "few rows":
        case.spoilt("X", "y", "cv", "sample_weight", "groups", "clients", "validation_fraction")
    elif fault in ("modality", "new modality"):
        name = pick(names)
        table = no_numbers(n if fault == "modality" else min(n, 15))
        what = pick(table)
        given = {m: A for m, A in (case.plain if fault == "modality" else case.plain_new).items()}
        given[name] = table[what]
        # what is missing as a whole may be masked, and one row less is none where there is one
        # and a table is numbers whatever its columns are called
        refused = what not in (
            *("absent", "absent objects", "NaN in part", "unequal vectors", "three levels"),
        )
        refused = refused and not (
            len(names) == 1 and what in ("one row less", "no rows") and fault != "modality"
        )
        refused = refused and not (what == "ragged" and n < 2)
        case.params.pop("modalities", None)
        if fault == "modality":
            case.X, case.plain = given, None
            case.spoilt(
                "X", "y", "sample_weight", "groups", "clients", "modalities", refused=refused
            )
        else:
            case.X, case.X_new, case.plain_new = case.plain, given, None
            case.spoilt("X", refused=refused)
    elif fault == "whole":
        table = no_wholes(n)
        what = pick(table)
        case.X, case.plain = table[what], None
        # columns of one name are told apart by their position
        case.spoilt("X", "modalities", "y", refused=what != "twice")
    elif fault == "y" and target != "none":
        table = (
            bad_numbers(n, unlabelled)
            if target == "numbers"
            else bad_labels(_plain_list(case.plain_y), unlabelled)
        )
        what = pick(table)
        case.y, case.plain_y, case.plain = table[what], None, None
        case.spoilt("y", "unlabeled_label", refused=True)
    elif fault == "weight" and weights:
        table = bad_weights(n)
        case.fit["sample_weight"] = table[pick(table)]
        case.plain = None
        case.spoilt("sample_weight", refused=True)
    elif fault == "groups" and groups:
        table = bad_groups(n)
        case.fit[groups] = table[pick(table)]
        case.plain = None
        case.spoilt(groups, refused=True)
    elif fault == "new names":
        given = dict(case.plain_new)
        what = pick(["less", "other", "more"])
        if what != "more":
            value = given.pop(names[-1])
        if what != "less":
            given["other"] = value if what == "other" else given[names[0]]
        case.params.pop("modalities", None)
        case.X, case.X_new, case.plain_new = case.plain, given, None
        case.spoilt("X", refused=what == "less" and len(names) == 1)
    elif fault == "new columns":
        case.params.pop("modalities", None)
        columns = [f"c{j}" for j in range(case.plain[names[0]].shape[1])]
        table = pd.DataFrame(case.plain[names[0]], columns=columns)
        case.X = case.plain | {names[0]: table}
        other = pick(["added", "renamed", "reversed"])
        new = table[NEW].reset_index(drop=True)
        if other == "added":
            new = new.assign(more=1.0)
        elif other == "renamed":
            new.columns = [f"d{j}" for j in range(len(columns))]
        else:
            new = new[columns[::-1]]
        kind = pick(["pandas", "polars", "pyarrow"])
        new = {"pandas": lambda t: t, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}[
            kind
        ](new)
        case.X_new, case.plain_new = case.plain_new | {names[0]: new}, None
        case.spoilt("X", refused=other != "reversed" or len(columns) > 1)
    elif fault == "scale":
        factor = pick([1e39, 1e200, 1e-200, 1e30, 0.0])
        case.params.pop("modalities", None)
        case.X = {m: A.astype(float) * factor for m, A in case.plain.items()}
        case.X_new = {m: A.astype(float) * factor for m, A in case.plain_new.items()}
        case.plain, case.plain_new = dict(case.X), dict(case.X_new)
        case.spoilt("X", "lr")


def _plain_list(y: Any) -> list:
    return y[:, 0].tolist() if isinstance(y, np.ndarray) else list(y)
