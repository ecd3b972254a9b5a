"""A search trained as one stack against scikit-learn's own, which trains one after another."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import GridSearchCV

from sk_mmbalance import Modalities, MultimodalClassifier
from sk_mmbalance.model_selection import VectorizedGridSearchCV


def make_rows(n=75, dtype=np.float64, seed=0, n_classes=3, missing=False):
    """Two modalities and classes that they tell apart, unequally."""
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    y[:n_classes] = np.arange(n_classes)
    centres = rng.normal(size=(n_classes, 9))
    both = centres[y] + 1.5 * rng.normal(size=(n, 9))
    a, b = both[:, :5].astype(dtype), both[:, 5:].astype(dtype)
    if missing:
        lacking = rng.random(n) < 0.3
        a[lacking & (np.arange(n) % 2 == 0)] = np.nan
        b[lacking & (np.arange(n) % 2 == 1)] = np.nan
    return Modalities(a=a, b=b), y


def classifier(**params):
    settings = {
        "hidden_layer_sizes": (8,),
        "embedding_dim": 6,
        "max_epochs": 20,
        "batch_size": 16,
        "early_stopping": False,
        "random_state": 0,
    }
    return MultimodalClassifier(**{**settings, **params})


class Both(NamedTuple):
    """Both searches, and how far the probabilities of all their fits are apart."""

    one_by_one: Any
    together: Any
    apart: float


def search_both(estimator, grid, X, y, *, cv=3, params=None, answer="predict_proba", **settings):
    """Search twice; `answer` is a method asked on all rows, or a function of what was fitted."""
    found = []
    params = params or {}
    for search in (GridSearchCV, VectorizedGridSearchCV):
        answers: list[np.ndarray] = []

        def score(fitted, X_test, y_test, sample_weight=None, answers=answers):
            answers.append(answer(fitted) if callable(answer) else getattr(fitted, answer)(X))
            return fitted.score(X_test, y_test, sample_weight=sample_weight)

        own = {"stack": True, **settings} if search is VectorizedGridSearchCV else {}
        done = search(estimator, grid, cv=cv, scoring=score, error_score="raise", **own)
        found.append((done.fit(X, y, **params), np.array(answers)))
    (first, these), (second, those) = found
    return Both(first, second, float(np.abs(these - those).max()))


def assert_same_results(first, second, apart=0.0):
    """The same keys, types and scores, and the same choice, times aside."""
    mine, theirs = second.cv_results_, first.cv_results_
    assert list(mine) == list(theirs)
    for key, values in theirs.items():
        assert type(mine[key]) is type(values), key
        if not isinstance(values, list):
            assert mine[key].dtype == values.dtype, key
        if "time" in key:
            continue
        if key.endswith("_score") or "test_" in key or "train_" in key:
            np.testing.assert_allclose(mine[key], values, atol=apart, err_msg=key)
        else:
            assert list(mine[key]) == list(values), key
    assert second.best_params_ == first.best_params_
    assert second.best_index_ == first.best_index_
