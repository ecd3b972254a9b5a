"""Random input of what stands around the estimators."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import (
    LateFusionClassifier,
    Modalities,
    ModalityConcatenator,
    ModalitySelector,
    ModalityTransformer,
    MultimodalClassifier,
    compare,
    make_preprocessor,
)
from sk_mmbalance.inspection import (
    coalition_scores,
    missing_modality_curve,
    modality_contributions,
)
from sk_mmbalance.model_selection import VectorizedGridSearchCV

from ._case import Case
from ._cases import cases
from ._families import NB, NET
from ._judge import judge
from ._junk import JUNK
from ._labels import bad_labels
from ._no_input import no_wholes


def _arrays(X: Any) -> dict[str, np.ndarray]:
    if not isinstance(X, Modalities | dict):
        return {"X": np.asarray(X, dtype=np.float64)}
    return {name: np.asarray(_plain(X[name]), dtype=np.float64) for name in X}


def _all_float(case: Case) -> bool:
    """Whether all numbers of a case came in float32 or float64."""
    given = [case.X, case.X_new]
    parts = [v for X in given for v in (X.values() if isinstance(X, Modalities | dict) else [X])]
    return all(
        getattr(part, "dtype", None) in (np.float32, np.float64, torch.float32, torch.float64)
        or (
            isinstance(part, pd.DataFrame) and all(t in ("float32", "float64") for t in part.dtypes)
        )
        for part in parts
    )


def _plain(value: Any) -> Any:
    return value.detach().double() if isinstance(value, torch.Tensor) else value


@given(data=st.data())
def test_preprocessing_gives_the_same_bits_for_every_form(data):
    case = data.draw(cases("none", weights=False, groups=None, missing=False))
    make = data.draw(
        st.sampled_from(
            [
                lambda: ModalityTransformer({}, remainder=StandardScaler()),
                lambda: ModalityConcatenator(),
                lambda: ModalitySelector(["ear"]),
                None,
            ]
        )
    )
    if make is None or isinstance(make(), ModalitySelector):
        case.must_refuse = False  # text and dates are prepared, the others not looked at
        case.plain = None if make is None else case.plain

    if make is None:
        case.must_take = False  # bools in objects are categories; new rows may come as numbers
    if case.faults == {"X", "lr"}:
        case.must_refuse = False  # huge numbers: what a scaler's sums come to, it says itself
        case.may_warn = ("overflow", "invalid value")
    if make is not None and isinstance(make(), ModalityTransformer) and not _all_float(case):
        case.plain = None  # scikit-learn's scaler sees small types as they came, and keeps them

    frames = case.X.values() if isinstance(case.X, Modalities | dict) else []
    if any(isinstance(v, pd.DataFrame) and len(set(v.dtypes)) > 1 for v in frames):
        case.plain = None  # columns of several types are handed on as they are

    def run(X, y, fit, X_new, params):
        model = make_preprocessor(X, **params) if make is None else make().set_params(**params)
        found = model.fit(X).transform(X_new)
        if isinstance(model, ModalitySelector) and case.faults:  # what it hands on may be no number
            return {name: np.asarray(found[name].shape) for name in found}
        return _arrays(found)

    judge("preprocessing", run, case)


@given(data=st.data())
def test_inspection_gives_the_same_bits_for_every_form(data):
    case = data.draw(cases(weights=False, groups=None, missing=False, min_modalities=2))
    look = data.draw(
        st.sampled_from([modality_contributions, coalition_scores, missing_modality_curve])
    )
    options = {"n_repeats": 1, "random_state": 0}
    if look is missing_modality_curve:
        options["rates"] = (0.0, 0.5)
    else:
        options["n_bootstrap"] = 5
    if case.must_take and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(["removal", "n_repeats", "scoring", "random_state"]))
        options[name] = data.draw(st.sampled_from([v for v in JUNK if not callable(v)]))
        case.spoilt(name)
        if name == "random_state":
            case.plain = None  # without one, nothing is the same twice

    def run(X, y, fit, X_new, params):
        model = LateFusionClassifier(NB, **params).fit(X, y)
        return {"table": look(model, X, y, **options).table.select_dtypes("number").to_numpy()}

    case.X_new = case.plain_new = None
    if case.faults and "X" in case.faults and "y" not in case.faults:
        case.must_refuse = False  # it was in rows to predict, of which there are none here
    judge("inspection", run, case)


@given(data=st.data())
def test_splits_give_the_same_bits_for_every_form(data):
    case = data.draw(cases(weights=False, groups=None, missing=False, faults=False))

    if isinstance(case.y, np.ndarray) and case.y.dtype.kind == "T":
        case.y = case.y.astype(object)  # scikit-learn's own functions know no such strings

    def run(X, y, fit, X_new, params):
        if not isinstance(X, dict | Modalities):
            return {"rows": LateFusionClassifier(NB, **params).fit(X, y).predict_proba(X[::2])}
        X, y = Modalities(X), np.asarray(y).reshape(-1)
        model = LateFusionClassifier(NB, **params)
        found = cross_val_predict(model, X, y, cv=2, method="predict_proba")
        fitted = model.fit(X, y)
        return {"folds": found, "rows": fitted.predict_proba(X[::2])}

    judge("splits", run, case)


@given(data=st.data())
def test_search_finds_the_same_for_every_form(data):
    case = data.draw(cases(weights=False, groups=None, missing=False))
    options = {"cv": 2}
    if case.must_take and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(["max_models", "halving", "stack", "cv", "refit"]))
        options[name] = data.draw(st.sampled_from([v for v in JUNK if not callable(v)]))
        case.spoilt(name, "X", "n_splits")

    def run(X, y, fit, X_new, params):
        X = X if isinstance(X, Modalities) or not isinstance(X, dict) else Modalities(X)
        model = MultimodalClassifier(**{**NET, "max_epochs": 1, "early_stopping": False}, **params)
        search = VectorizedGridSearchCV(model, {"lr": [0.01, 0.1]}, **options).fit(X, y)
        return {"scores": np.asarray(search.cv_results_["mean_test_score"])}

    case.X_new = case.plain_new = None
    if "y" not in case.faults:
        case.must_refuse = False  # it may be in rows to predict, of which there are none here
    judge("search", run, case)


@given(data=st.data())
def test_compare_refuses_what_it_cannot_read(data):
    labels = list(np.arange(24) % 2)
    X = {"ear": np.ones((24, 2)), "eye": np.ones((24, 1))}
    parameter, value = data.draw(
        st.sampled_from(
            [
                *(("y", v) for v in bad_labels(labels).values() if not _are_numbers(v)),
                *(("X", v) for v in no_wholes(24).values()),
                *(("task", v) for v in JUNK if not (isinstance(v, str) and v == "auto")),
            ]
        )
    )
    given_ = {"X": X, "y": labels, parameter: value}
    case = Case(given_["X"], given_["y"], None, None)
    case.spoilt(parameter, *(("modalities", "y") if parameter == "X" else ()), refused=True)

    def run(X, y, fit, X_new, params):
        task = value if parameter == "task" else "classes"
        return compare(X, y, task=task, cv=2, models={"late": LateFusionClassifier()}, verbose=0)

    judge("comparison", run, case)


def _are_numbers(y: Any) -> bool:
    """Targets that are refused as labels and may be learnt as numbers."""
    return isinstance(y, np.ndarray) and y.dtype.kind in "iuf" and np.isfinite(y).all()
