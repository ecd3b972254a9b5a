"""What people read of the weights of an opinion pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..convex import PatternWeights
from ..experts import NamedExpert


def told_weights(
    named: Sequence[NamedExpert],
    modality_names: Sequence[str],
    weights: PatternWeights,
    columns: dict[Any, Any],
) -> dict[str, Any]:
    """Tables of the weights of one fusion, by name of attribute.

    Parameters
    ----------
    named : sequence of NamedExpert
        The experts.
    modality_names : sequence of str
        Sorted names of the modalities.
    weights : PatternWeights
        Their weights.
    columns : dict
        Further columns of the table of experts: those before `weight`.
    """
    names = pd.Index([expert.name for expert in named], name="expert")
    mean = mean_over_classes(weights.of(np.ones(len(modality_names), dtype=bool)))
    table = {"modalities": [" + ".join(expert.modalities) for expert in named], **columns}
    shares = {
        modality: float(
            sum(
                weight / len(expert.modalities)
                for expert, weight in zip(named, mean, strict=True)
                if modality in expert.modalities
            )
        )
        for modality in modality_names
    }
    patterns = {
        " + ".join(np.array(modality_names)[list(pattern)]): mean_over_classes(weights.of(pattern))
        for pattern in weights.learnt
    }
    return {
        "weights_": pd.DataFrame({**table, "weight": mean}, index=names),
        "modality_weights_": shares,
        "pattern_weights_": pd.DataFrame(patterns, index=names).T,
    }


def mean_over_classes(weights: np.ndarray) -> np.ndarray:
    """Weights of the experts, where they differ by class their mean."""
    return weights.reshape(len(weights), -1).mean(axis=1)


def side_by_side(told: Sequence[dict[str, Any] | None], level: str) -> dict[str, Any]:
    """What is told of several fusions, one a label or column: tables get a level, numbers an array.

    None stands for a label that does not vary: there was nothing to fuse.
    """
    known = {k: each for k, each in enumerate(told) if each is not None}
    joined: dict[str, Any] = {}
    for name in next(iter(known.values()), {}):
        values = {k: each[name] for k, each in known.items()}
        first = next(iter(values.values()))
        if isinstance(first, pd.DataFrame):
            joined[name] = joined_tables(values, level)
        elif isinstance(first, dict):
            joined[name] = {
                key: np.array([values[k][key] if k in values else np.nan for k in range(len(told))])
                for key in first
            }
        elif first is None:
            joined[name] = None
        elif np.isscalar(first):
            joined[name] = np.array([values.get(k, np.nan) for k in range(len(told))])
        else:
            joined[name] = [values.get(k) for k in range(len(told))]
    return joined


def joined_tables(tables: dict[int, pd.DataFrame], level: str) -> pd.DataFrame:
    """Tables under one another, with the number of the label or column as the first level."""
    if not tables or all(table.empty for table in tables.values()):
        return pd.DataFrame()
    return pd.concat(tables, names=[level])
