"""`name_modalities`: values of any kind by name, for what runs before numbers are needed."""

from __future__ import annotations

from typing import Any

from ._container import Modalities
from ._forms import read_forms
from ._missing import missing_rows
from ._names import the_modality
from ._numeric import stack_vectors
from ._spec import InputSpec, compare_with_fit, new_spec
from ._tables import is_table


def name_modalities(
    X: Any, *, estimator: Any = None, spec: InputSpec | None = None, modalities: Any = None
) -> tuple[Modalities, InputSpec]:
    """Read any accepted form of input without asking for numbers.

    Text, sparse matrices, NaN in part of a row, sequences of unequal length: all pass, as they
    came; only a column of vectors of one length is stacked. For transformers, whose task it is to
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
    forms = read_forms(X, estimator=estimator, spec=spec, modalities=modalities, accept_sparse=True)
    labels: dict[str, tuple[str | int, ...] | None] = dict(forms.feature_names)
    values, shapes, sequences = {}, {}, []
    for name, value in forms.values.items():
        known = spec is not None and name in spec.sequences
        read = stack_vectors(the_modality(name), value, unequal=known)
        values[name] = read.value
        labels[name] = labels.get(name) or read.names
        shapes[name] = read.shape
        if read.unequal:
            sequences.append(name)
            if known and spec is not None and missing_rows(value).all():  # nothing to tell one by
                shapes[name] = spec.shapes[name]
    container = Modalities(values)
    named = {n: f for n, f in labels.items() if f and not is_table(values[n])}
    container = container.with_feature_names({n: [str(x) for x in f] for n, f in named.items()})
    if spec is None:
        return container, new_spec(forms, shapes, labels, tuple(sorted(sequences)))
    compare_with_fit(shapes, labels, spec)
    return container, spec
