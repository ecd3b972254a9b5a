"""UMT: its losses by hand, and teachers that are trained once, apart, and kept."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import PredefinedSplit

from sk_mmbalance import Modalities, MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import UMT, _umt

from .conftest import FAST, blobs, fit, same_weights, with_missing

A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
B = torch.tensor([[0.0, 0, 1], [0, 0.5, 0]], dtype=torch.float64)


def test_distance_by_hand():
    assert _umt.distances(torch.tensor([[1.0, 2]]), torch.tensor([[0.0, 4]])).tolist() == [2.5]


def test_divergence_by_hand():
    fused = (A + B) / 2
    found = [_umt.divergences(teacher, fused, 1.0).mean().item() for teacher in (A, B)]
    assert [round(value, 6) for value in found] == [0.091083, 0.106362]
    hot = _umt.divergences(A, fused, 2.0)
    torch.testing.assert_close(hot, 4 * _umt.divergences(A / 2, fused / 2, 1.0))


@pytest.mark.parametrize("params", [{}, {"dropout": 0.3}, {"optimizer": "sgd"}])
def test_strength_zero_is_joint_training(params):
    X, y = blobs(n=60)
    assert same_weights(fit(UMT(feature_weight=0), X, y, **params), fit(None, X, y, **params))


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(UMT(), X, y), fit(None, X, y))


def test_a_teacher_knows_the_classes_from_its_modality_alone():
    X, y = blobs(n=60)
    teacher = fit(UMT(teacher_epochs=20), X, y).balancing_.teachers["face"]
    output = teacher({"face": torch.from_numpy(X["face"])})
    assert (output.logits.argmax(dim=1).numpy() == y).mean() > 0.8
    assert not any(p.requires_grad for p in teacher.parameters())


def test_a_heavy_weight_brings_the_embeddings_to_the_teachers():
    X, y = blobs(n=60)
    apart = {}
    for weight in (0.01, 100.0):
        clf = fit(UMT(feature_weight=weight, teacher_epochs=3), X, y, max_epochs=20)
        apart[weight] = clf.history_["face__teacher_distance"].iloc[-1]
    assert apart[100.0] < 0.2 * apart[0.01]


@pytest.mark.parametrize("value", [UMT(), UMT(feature_weight=0.0, logit_weight=1.0)])
def test_training_goes_on_with_the_teachers_of_the_first_call(value):
    X, y = blobs(n=60)
    clf = fit(value, X, y)
    kept = {k: v.clone() for k, v in clf.balancing_.teachers["face"].state_dict().items()}
    whole = fit(value, X, y, max_epochs=4)
    again = pickle.loads(pickle.dumps(clf)).partial_fit(X, y)
    now = again.balancing_.teachers["face"].state_dict()
    assert all(torch.equal(kept[key], now[key]) for key in kept)
    assert not same_weights(again, clf)
    assert whole.n_iter_ == again.n_iter_ == 4


def test_rows_without_a_modality_have_no_term_and_absent_values_no_say():
    X, y = blobs(n=60)
    holes, present = with_missing(X)
    clf = fit(UMT(), holes, y, missing="mask")
    assert np.isfinite(clf.history_["voice__teacher_distance"]).all()
    assert present.all(axis=1).sum() < 60


def test_teachers_stop_early_where_the_network_does():
    X, y = blobs(n=90)
    clf = fit(UMT(teacher_epochs=30), X, y, early_stopping=True, n_iter_no_change=2)
    assert set(clf.balancing_.teachers) == {"face", "voice"}


def test_files_carry_the_teachers(tmp_path):
    X, y = blobs(n=60)
    clf = fit(UMT(), X, y)
    clf.save_weights(tmp_path / "net.safetensors")
    loaded = clone(clf).load_weights(tmp_path / "net.safetensors")
    assert np.array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    assert loaded.balancing_.teachers.keys() == clf.balancing_.teachers.keys()


def test_teachers_are_not_trained_with_the_network():
    X, y = blobs(n=60)
    clf = fit(UMT(), X, y)
    held = {p for group in clf.net_.optimizer_.param_groups for p in group["params"]}
    assert not held & set(clf.net_.network.running.parameters())


def test_ctrl_c_in_a_teacher_leaves_the_estimator_as_it_was():
    class Presses(torch.nn.Linear):
        def __init__(self, input_shape):
            super().__init__(input_shape[0], 4)

        def forward(self, x):
            if self.training:
                raise KeyboardInterrupt
            return super().forward(x)

    X, y = blobs(n=60)
    clf = MultimodalClassifier(**FAST, balancing=UMT(), backbones={"face": Presses})
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert not hasattr(clf, "net_")


@pytest.mark.parametrize("value", [UMT(), UMT(feature_weight=0.0, logit_weight=1.0)])
def test_a_modality_that_no_row_trained_on_has_has_no_teacher(value):
    X, y = blobs(n=60)
    held = np.arange(60) % 3 == 0
    holes = Modalities(face=X["face"], voice=np.where(held[:, None], X["voice"], np.nan))
    split = PredefinedSplit(np.where(held, 0, -1))
    params = {"missing": "mask", "early_stopping": True, "validation_fraction": split}
    clf = fit(value, holes, y, **params)
    if value.feature_weight:
        assert "voice__teacher_distance" not in clf.history_
        assert np.isfinite(clf.history_["face__teacher_distance"]).all()
    others = fit(None, holes, y, **params)
    assert not same_weights(clf, others)  # the other modality's teacher is followed
    trained = clf.net_.network.backbones["voice"], others.net_.network.backbones["voice"]
    for p, q in zip(*(part.parameters() for part in trained), strict=True):
        assert torch.equal(p, q)


def test_probabilities_are_compared_of_classes_alone():
    X, y = blobs(n=60)
    regressor = MultimodalRegressor(balancing=UMT(logit_weight=0.5), **FAST)
    with pytest.raises(ValueError, match=r"UMT\(logit_weight=0.5\) needs one class a row, and `y`"):
        regressor.fit(X, 1.0 * y)
    regressor.set_params(balancing__logit_weight=0.0).fit(X, 1.0 * y)
    assert np.isfinite(regressor.history_["face__teacher_distance"]).all()
