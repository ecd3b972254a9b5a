"""`fit` gives finite weights or raises; probabilities are numbers from 0 to 1, and add up."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from sk_mmbalance import Modalities, MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.exceptions import DivergenceError
from tests._estimators import CLASSIFIERS, REGRESSORS, toy, toy_numbers

#: What a method may say of input that it cannot take. Whatever else is raised is a fault.
OURS = (ValueError, DivergenceError)
SCALES = [0.0, 1e-300, 1e18, 1e100, 1e300]


def quick(estimator):
    model = clone(estimator)
    short = {"max_epochs": 1, "n_rounds": 1, "max_iter": 500}
    return model.set_params(**{k: n for k, n in short.items() if k in model.get_params()})


def assert_probabilities(proba, n_rows):
    assert proba.shape[0] == n_rows
    assert np.isfinite(proba).all()
    assert proba.min() >= 0
    assert proba.max() <= 1
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


def weights_of(model):
    if hasattr(model, "net_"):
        return [p.detach().numpy() for p in model.net_.module_.parameters()]
    return [model.coef_] if hasattr(model, "coef_") else []


def answer_or_refusal(call):
    """What `call` gives; None where it says in words that it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scale, of limits, of solvers
        try:
            return call()
        except OURS:
            return None


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_fit_gives_numbers_or_raises_whatever_the_scale(name):
    X, y = toy(24)
    for scale in SCALES:
        far = Modalities(face=X["face"] * scale, voice=X["voice"])
        model = answer_or_refusal(lambda far=far: quick(CLASSIFIERS[name]).fit(far, y))
        if model is None:
            continue
        assert all(np.isfinite(w).all() for w in weights_of(model)), scale
        proba = answer_or_refusal(lambda model=model, far=far: model.predict_proba(far))
        if proba is not None:
            assert_probabilities(proba, len(y))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_prediction_gives_numbers_or_raises_whatever_the_scale(name):
    X, y = toy(24)
    model = answer_or_refusal(lambda: quick(CLASSIFIERS[name]).fit(X, y))
    for scale in SCALES:
        far = Modalities(face=X["face"] * scale, voice=-X["voice"] * scale)
        proba = answer_or_refusal(lambda far=far: model.predict_proba(far))
        if proba is not None:
            assert_probabilities(proba, len(y))
    assert_probabilities(model.predict_proba(X), len(y))


@pytest.mark.parametrize("name", [*REGRESSORS, "joint network"])
def test_regressors_give_numbers_or_raise_whatever_the_scale(name):
    X, y = toy_numbers(24)
    estimator = REGRESSORS.get(name, MultimodalRegressor(embedding_dim=4, random_state=0))
    for scale in SCALES:
        far = Modalities(face=X["face"] * scale, voice=-X["voice"] * scale)
        for seen, asked, target in ((X, far, y), (far, far, y), (X, X, y * scale)):
            found = answer_or_refusal(
                lambda s=seen, a=asked, t=target: quick(estimator).fit(s, t).predict(a)
            )
            assert found is None or np.isfinite(found).all(), scale


# -- the last step ---------------------------------------------------------------------------


LAST_STEPS = {1e-3: "The network gives NaN or infinite values", 1e35: "The weights .* became NaN"}


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
@pytest.mark.parametrize(("lr", "said"), LAST_STEPS.items())
@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.ScaleWarning")
def test_what_the_last_step_makes_infinite_is_no_fit(call, lr, said):
    X, y = toy(64)
    X = Modalities({m: (1e20 * X[m]).astype(np.float32) for m in X})
    clf = MultimodalClassifier(optimizer="sgd", lr=lr, max_epochs=1, random_state=0)
    more = {} if call == "fit" else {"classes": [0, 1]}
    with pytest.raises(DivergenceError, match=rf"{said}.* epoch 1"):
        getattr(clf, call)(X, y, **more)
    assert not hasattr(clf, "classes_")


def test_statistics_of_a_layer_count_as_weights():
    X, y = toy(64)
    clf = MultimodalClassifier(
        backbones={"face": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))},
        max_epochs=1,
        random_state=0,
    ).fit(X, y)
    norm = next(m for m in clf.net_.module_.modules() if isinstance(m, nn.BatchNorm1d))
    norm.running_mean.fill_(torch.nan)
    with pytest.raises(
        ValueError, match=r"no finite prediction in 64 row\(s\), the first is row 0"
    ):
        clf.predict_proba(X)
    with pytest.raises(DivergenceError, match="running_mean"):
        clf.set_params(warm_start=True).fit(X, y)


def test_a_row_that_gives_no_number_is_named_with_its_largest_value():
    X, y = toy(64)
    X = Modalities({m: X[m].astype(np.float32) for m in X})
    clf = MultimodalClassifier(max_epochs=1, random_state=0).fit(X, y)
    face = X["face"].copy()
    face[7, 1] = 3e38
    far = Modalities(face=face, voice=X["voice"])
    with torch.no_grad():
        for p in clf.net_.module_.parameters():
            p.mul_(100)
    for ask in (clf.predict, clf.predict_proba, clf.decision_function, clf.embed):
        with pytest.raises(ValueError, match=r"first is row 7: modality 'face' .* up to 3e\+38"):
            ask(far)
    assert np.isfinite(clf.predict_proba(X)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, 1.5])
def test_an_expert_that_gives_no_probabilities_is_named(value):
    from sklearn.linear_model import LogisticRegression

    from sk_mmbalance import LateFusionClassifier

    class Lying(LogisticRegression):
        def predict_proba(self, X):
            return np.full((len(X), 2), value)

    X, y = toy(24)
    model = LateFusionClassifier({"face": Lying(), "voice": LogisticRegression()}).fit(X, y)
    with pytest.raises(ValueError, match=r"for 'face', Lying, gives no probabilities in 24 of 24"):
        model.predict_proba(X)


@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.ScaleWarning")
@pytest.mark.parametrize("fusion", ["late", "concat"])
def test_fusion_weights_are_not_fitted_to_numbers_whose_squares_overflow(fusion):
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    huge = Modalities({name: 1e200 * rng.normal(size=(24, 2)) for name in ("a", "b")})
    net = MultimodalClassifier(
        fusion=fusion, fusion_weights="fit", unimodal_weight=1.0, max_epochs=2, random_state=0
    )
    with pytest.raises(DivergenceError, match="huge values for rows held out"):
        net.fit(huge, y)
