"""`make_preprocessor`: a `ModalityTransformer` chosen by what the modalities hold."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler

from ..exceptions import MissingDependencyError
from ..modalities import is_tensor, name_modalities, tensor_to_array
from ._column_kinds import (
    CATEGORIES,
    DATES,
    MOST_CATEGORIES,
    NOTHING,
    NUMBERS,
    TEXT,
    kind_of_column,
    kinds_of_columns,
)
from ._column_notes import column_notes
from ._date_encoder import DateEncoder
from ._step_transformer import StepTransformer
from ._text_encoder import TextEncoder
from ._transformer import ModalityTransformer

_TABLES = ("sklearn", "skrub")


def make_preprocessor(
    X: Any,
    *,
    modalities: Any = None,
    tables: str = "sklearn",
    n_jobs: int | None = None,
    verbose: int = 1,
) -> ModalityTransformer:
    """Choose a transformer for every modality by what it holds.

    What comes back is an ordinary `ModalityTransformer`, not fitted: print it, change parts of it
    (``set_params(clinic__numbers__simpleimputer__strategy="median")``), put it in front of any
    estimator in a pipeline, where its imputers, scales and words are learnt from training rows
    only. Here only the kinds of the columns are read from `X`.

    =========================  ====================================================================
    a modality holds           what it gets
    =========================  ====================================================================
    numbers                    `SimpleImputer` (mean), `StandardScaler`
    categories, bool           `OneHotEncoder`, at most 40 kinds; unseen ones are zeros
    text                       `TextEncoder`: TF-IDF and a truncated SVD
    dates                      `DateEncoder`, `SimpleImputer`, `StandardScaler`
    several of these           a `ColumnTransformer` of them, by the names of the columns
    images, sequences          `StandardScaler` of every value of a row, in its shape
    a sparse matrix            `MaxAbsScaler`
    unequal sequences          their steps are standardised (`StepTransformer`)
    =========================  ====================================================================

    Strings are categories if there are at most 40 kinds of them, each twice or more often on the
    average; dates if all look like ``2024-05-31``; text otherwise. Rows that lack a whole modality
    lack it afterwards too; a column without a single value is left out.

    Parameters
    ----------
    X : Modalities, dict, DataFrame or array-like
        Multimodal input: training rows, or all of them.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table, handed on to the result.
    tables : {"sklearn", "skrub"}, default="sklearn"
        What tables with other columns than numbers get: the parts above, or `skrub.TableVectorizer`
        (from the extra ``frames``) with `SimpleImputer` and `StandardScaler` behind it.
    n_jobs : int, default=None
        Number of modalities transformed in parallel.
    verbose : int, default=1
        1 says, on the standard error, what became of columns of tables that are not plain numbers
        (categories, dates, text, constants), and which look like identifiers; 0 says nothing.

    Returns
    -------
    preprocessor : ModalityTransformer
        Not fitted.

    Raises
    ------
    TypeError
        If a column holds values for which there is no default; the message names it.
    ValueError
        If `tables` is another word, or no modality has a value.
    MissingDependencyError
        If ``tables="skrub"`` and skrub is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_mmbalance import Modalities, make_preprocessor
    >>> table = pd.DataFrame(
    ...     {
    ...         "acc_x": [0.1, None, 0.3, 0.2],
    ...         "acc_y": [1.0, 0.9, 0.8, 1.1],
    ...         "age": [41, 67, 50, 38],
    ...         "ward": ["A", "B", "A", "B"],
    ...         "note": ["slept well", "woke twice", "slept badly", "no complaint"],
    ...     }
    ... )
    >>> X = Modalities.from_frame(
    ...     table, {"acc": "^acc_", "clinic": ["age", "ward"], "note": ["note"]}
    ... )
    >>> prepare = make_preprocessor(X)
    >>> prepare.fit_transform(X)
    Modalities(n_samples=4, acc: (4, 2) float64, clinic: (4, 3) float64, note: (4, 11) float64)
    >>> prepare.transformers["clinic"].transformers[1][1]
    OneHotEncoder(handle_unknown='infrequent_if_exist', max_categories=40,
                  sparse_output=False)
    """
    if tables not in _TABLES:
        raise ValueError(f"`tables` must be 'sklearn' or 'skrub'; got {tables!r}.")
    if tables == "skrub" and find_spec("skrub") is None:
        raise MissingDependencyError(
            "`tables='skrub'` needs skrub: pip install 'sk_mmbalance[frames]'."
        )
    container, spec = name_modalities(X, modalities=modalities)
    chosen = {
        name: StepTransformer(StandardScaler())
        if name in spec.sequences
        else _for_values(name, value, tables)
        for name, value in container.items()
    }
    if all(isinstance(one, str) and one == "drop" for one in chosen.values()):
        raise ValueError("`X` has no value in any modality; there is nothing to prepare.")
    if verbose:
        for note in column_notes(container):
            print(f"note: {note}", file=sys.stderr)
    return ModalityTransformer(chosen, modalities=modalities, n_jobs=n_jobs)


def _for_values(name: str, value: Any, tables: str) -> Any:
    """Transformer of one modality."""
    where = f"`X` modality {name!r}"
    if issparse(value):
        return MaxAbsScaler()
    if hasattr(value, "to_pandas") and not isinstance(value, pd.DataFrame):
        value = value.to_pandas()  # kinds are told from pandas' columns; nothing else is kept
    if isinstance(value, pd.DataFrame):
        return _for_table(where, value, tables)
    array = tensor_to_array(where, value) if is_tensor(value) else np.asarray(value)
    if array.dtype.kind == "V":
        raise TypeError(f"{where} has records ({array.dtype}). Pass a DataFrame of their fields.")
    if array.ndim > 2:
        return StandardScaler()
    if array.dtype.kind in "biuf":
        return _numbers()
    if array.ndim == 1:
        kind = kind_of_column(where, 0, pd.Series(array, dtype=_series_dtype(array)))
        return "drop" if kind == NOTHING else _for_kind(kind)
    return _for_table(where, pd.DataFrame(array), "sklearn")


def _series_dtype(array: np.ndarray) -> Any:
    return object if array.dtype.kind in "OUS" else None


def _for_table(where: str, table: pd.DataFrame, tables: str) -> Any:
    kinds = kinds_of_columns(where, table)
    present = {kind for kind in kinds.values() if kind != NOTHING}
    if not present:
        return "drop"
    if present == {NUMBERS}:
        return _numbers()  # a column without a value becomes a constant
    if tables == "skrub":
        from skrub import TableVectorizer

        return make_pipeline(TableVectorizer(), *_imputed_and_scaled())
    if len(kinds) == 1 and TEXT in present:
        return TextEncoder()
    if len(present) == 1 and NOTHING not in kinds.values() and TEXT not in present:
        return _for_kind(next(iter(present)))
    parts: list[tuple[str, Any, Any]] = []
    for kind in (NUMBERS, CATEGORIES, DATES):
        columns = [label for label, found in kinds.items() if found == kind]
        if columns:
            parts.append((kind, _for_kind(kind), columns))
    for label, kind in kinds.items():
        if kind == TEXT:  # a text encoder takes one column, given by its bare name
            parts.append((f"text {label}".replace("__", "_"), TextEncoder(), label))
    return ColumnTransformer(parts, sparse_threshold=0.0, verbose_feature_names_out=False)


def _for_kind(kind: str) -> Any:
    if kind == NUMBERS:
        return _numbers()
    if kind == CATEGORIES:
        return OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            max_categories=MOST_CATEGORIES,
            sparse_output=False,
        )
    if kind == DATES:
        return make_pipeline(DateEncoder(), *_imputed_and_scaled())
    return TextEncoder()


def _numbers() -> Pipeline:
    return make_pipeline(*_imputed_and_scaled())


def _imputed_and_scaled() -> list[Any]:
    # folds may lack every value of a column: it then is a constant, not one column fewer
    return [SimpleImputer(keep_empty_features=True), StandardScaler()]
