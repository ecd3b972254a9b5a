"""Joint training: scikit-learn's checks, and the imbalance that it is the baseline for."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import ModalityTransformer, MultimodalClassifier
from sk_mmbalance.datasets import load_digits_views

from .._checks import assert_all_checks_pass


@pytest.mark.parametrize(
    "params",
    [
        {},
        pytest.param({"unimodal_weight": 0.0}, marks=pytest.mark.slow),
        pytest.param({"fusion": "late", "unimodal_weight": 1.0}, marks=pytest.mark.slow),
        pytest.param({"fusion": "transformer"}, marks=pytest.mark.slow),
    ],
    ids=["default", "plain", "late", "transformer"],
)
def test_all_checks_of_scikit_learn_pass(params):
    assert_all_checks_pass(MultimodalClassifier(**params))


def test_joint_training_starves_single_modalities():
    """Inside the joint model a half of the digit stays far below what its own network learns."""
    X, y = load_digits_views(return_X_y=True)
    settings = {"max_epochs": 15, "early_stopping": False, "random_state": 0}
    plain = settings | {"unimodal_weight": 0.0}
    joint = MultimodalClassifier(**plain).fit(X[:1200], y[:1200])
    helped = MultimodalClassifier(**settings).fit(X[:1200], y[:1200])
    for name in X.names:
        alone = MultimodalClassifier(**plain).fit(X.select([name])[:1200], y[:1200])
        by_itself = alone.score(X.select([name])[1200:], y[1200:])
        inside, with_head = (
            np.mean(clf.unimodal_predict_proba(X[1200:])[name].argmax(axis=1) == y[1200:])
            for clf in (joint, helped)
        )
        assert inside < by_itself - 0.1
        assert with_head > by_itself - 0.05


@pytest.mark.slow
def test_missing_at_thirty_percent_costs_at_most_five_points(load_real):
    """On mfeat, rows lacking modalities in training and test."""
    data = load_real("mfeat")
    train, test = data.split == "train", data.split == "test"
    rng = np.random.default_rng(0)
    absent = rng.random((len(data.y), 6)) < 0.3
    absent[absent.all(axis=1), 0] = False
    holes = {
        name: np.where(absent[:, [i]], np.nan, data.X[name].astype(np.float32))
        for i, name in enumerate(data.X.names)
    }
    scores = []
    for X in (data.X, type(data.X)(holes)):
        model = make_pipeline(
            ModalityTransformer({name: StandardScaler() for name in X.names}),
            MultimodalClassifier(missing="mask", random_state=0),
        )
        scores.append(model.fit(X[train], data.y[train]).score(X[test], data.y[test]))
    assert scores[0] > 0.96
    assert scores[1] > scores[0] - 0.05


def test_network_on_one_modality_is_as_good_as_logistic_regression(load_real):
    data = load_real("mfeat")
    train, test = data.split == "train", data.split == "test"
    A = StandardScaler().fit(data.X["fac"][train]).transform(data.X["fac"]).astype(np.float32)
    network = MultimodalClassifier(random_state=0).fit(A[train], data.y[train])
    linear = LogisticRegression(max_iter=500).fit(A[train], data.y[train])
    assert network.score(A[test], data.y[test]) > linear.score(A[test], data.y[test]) - 0.02
