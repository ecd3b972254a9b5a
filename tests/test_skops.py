"""Every estimator comes back from skops as it was."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import (
    ModalityConcatenator,
    ModalitySelector,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    balancing,
)
from tests._estimators import CLASSIFIERS, REGRESSORS, SMALL, toy, toy_numbers

io = pytest.importorskip("skops.io")

QUICK = {**SMALL, "max_epochs": 2}
OTHERS = {
    "balanced network": MultimodalClassifier(**QUICK, balancing=balancing.OGM()),
    "network for numbers": MultimodalRegressor(**QUICK),
}


def there_and_back(estimator):
    data = io.dumps(estimator)
    return io.loads(data, trusted=io.get_untrusted_types(data=data))


def assert_same(first, second):
    """Public attributes of two fits."""
    assert vars(first).keys() == vars(second).keys()
    for name, value in vars(first).items():
        if name.startswith("_") or not name.endswith("_") or name == "net_":
            continue
        other = getattr(second, name)
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, other)
            assert value.dtype == other.dtype
        else:
            assert type(value) is type(other)


@pytest.mark.parametrize("name", [*CLASSIFIERS, *REGRESSORS, *OTHERS])
def test_an_estimator_comes_back_as_it_was(name):
    estimator = CLASSIFIERS.get(name) or OTHERS.get(name) or REGRESSORS[name]
    if name in REGRESSORS and name in CLASSIFIERS:
        estimator = REGRESSORS[name]
    numbers = estimator.__sklearn_tags__().estimator_type == "regressor"
    X, y = toy_numbers() if numbers else toy()
    model = clone(estimator)
    short = {"max_epochs", "n_rounds"} & model.get_params().keys()
    model.set_params(**dict.fromkeys(short, 2))
    again = there_and_back(model)
    assert repr(again) == repr(model)  # not fitted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    again = there_and_back(model)
    assert_same(model, again)
    ask = "predict" if numbers else "predict_proba"
    np.testing.assert_array_equal(getattr(again, ask)(X), getattr(model, ask)(X))
    pickled = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(getattr(pickled, ask)(X), getattr(model, ask)(X))


@pytest.mark.parametrize(
    "step",
    [
        ModalityTransformer({"face": StandardScaler()}),
        ModalitySelector(["face"]),
        ModalityConcatenator(),
    ],
)
def test_a_step_of_a_pipeline_comes_back_as_it_was(step):
    X, _ = toy()
    fitted = clone(step).fit(X)
    again = there_and_back(fitted)
    first, second = fitted.transform(X), again.transform(X)
    for name in X if not isinstance(first, np.ndarray) and "face" in first else ["face"]:
        if isinstance(first, np.ndarray):
            np.testing.assert_array_equal(first, second)
        elif name in first:
            np.testing.assert_array_equal(first[name], second[name])
