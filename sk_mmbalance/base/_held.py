"""Rows of a problem that is known already: validation rows, and those of another place."""

from __future__ import annotations

from typing import Any

from ..modalities import CheckedModalities, InputSpec, check_modalities
from ._rows import TrainingRows
from ._target import Target
from ._weights import read_weights


def read_held_rows(
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    spec: InputSpec,
    target: Target,
    modalities: Any = None,
    missing: str = "error",
    class_weight: Any = None,
    estimator: Any = None,
) -> TrainingRows:
    """Read rows that are held to shapes and a target read before; sparse ones are made dense.

    They are for networks: sequences may have unequal lengths where those read before had.

    Parameters
    ----------
    X, y, sample_weight : object
        As they came; `y` need not show every class.
    spec : InputSpec
        What `X` is held to.
    target : Target
        What `y` is.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table.
    missing : {"error", "mask"}, default="error"
        What to do with rows that lack a modality.
    class_weight : dict or None
        Weights of classes, multiplied into those of the rows.
    estimator : estimator, default=None
        Whose name messages bear.
    """
    checked = check_modalities(
        X,
        estimator=estimator,
        spec=spec,
        modalities=modalities,
        missing=missing,
        accept_sparse=True,
        accept_lengths=True,
    ).dense()
    coded = target.encode(y, checked.n_samples)
    weight = read_weights(sample_weight, checked, target, coded, class_weight)
    return TrainingRows.of(checked, target, coded, weight)


def read_own_modalities(X: Any, *, modalities: Any = None) -> CheckedModalities:
    """Read what one of several places has, dense; it may lack modalities that others have."""
    return check_modalities(
        X,
        modalities=modalities,
        missing="mask",
        accept_sparse=True,
        keep_absent=True,
        accept_lengths=True,
    ).dense()
