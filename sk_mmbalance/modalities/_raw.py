"""`name_modalities`: values of any kind by name, for what runs before numbers are needed."""

from __future__ import annotations

from typing import Any

from ._container import Modalities
from ._forms import read_forms
from ._spec import InputSpec, compare_with_fit, new_spec


def name_modalities(
    X: Any, *, estimator: Any = None, spec: InputSpec | None = None, modalities: Any = None
) -> tuple[Modalities, InputSpec]:
    """Read any accepted form of input without asking for numbers.

    Text, sparse matrices, NaN in part of a row: all pass. For transformers, whose task it is to
    make numbers of them; everything that learns from numbers uses `check_modalities`.

    Parameters
    ----------
    X : Modalities, dict, DataFrame or array-like
        As in `check_modalities`.
    estimator : object, default=None
        Named in error messages.
    spec : InputSpec, default=None
        What `fit` saw; None in `fit`. Modalities seen there may be lacking here.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table. None takes a flat table for one modality.

    Returns
    -------
    container : Modalities
        The values as they came.
    spec : InputSpec
        What later calls are compared with.
    """
    forms = read_forms(
        X, estimator=estimator, spec=spec, modalities=modalities, accept_sparse=True, numeric=False
    )
    container = Modalities(forms.values)
    values = container._values
    if spec is None:
        return container, new_spec(forms, values)
    compare_with_fit(values, values, spec)
    return container, spec
