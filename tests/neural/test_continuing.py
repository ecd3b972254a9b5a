"""Training that goes on: what may change, what is refused, and what a file remembers."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from torch import nn

from sk_mmbalance import (
    DataRemixingClassifier,
    Modalities,
    MultimodalClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)
from sk_mmbalance.balancing import MLA, OGM, SustainedBoosting
from sk_mmbalance.neural._continuing import MAY_CHANGE, same

from .conftest import blobs

FAST = {
    "hidden_layer_sizes": (4,),
    "embedding_dim": 4,
    "max_epochs": 1,
    "early_stopping": False,
    "random_state": 0,
}


def fitted(cls=MultimodalClassifier, **params):
    X, y = blobs(n=60)
    return cls(**{**FAST, "warm_start": True, **params}).fit(X, y), X, y


REFUSED = {
    "hidden_layer_sizes": (8,),
    "embedding_dim": 8,
    "dropout": 0.5,
    "backbones": {"face": "mlp"},
    "encoding": "normal_scores",
    "fusion": "film",
    "unimodal_weight": 0.0,
    "modality_lr": {"face": 0.1},
    "optimizer": "sgd",
    "weight_decay": 0.1,
    "net_params": {"criterion__label_smoothing": 0.1},
    "dtype": "float32",
    "device": "cpu",
    "compile": True,
    "random_state": 1,
    "balancing": OGM(),
}


def test_every_parameter_may_change_or_is_refused():
    assert set(REFUSED) | MAY_CHANGE == set(MultimodalClassifier().get_params(deep=False))
    assert not set(REFUSED) & MAY_CHANGE


@pytest.mark.parametrize("name", sorted(REFUSED))
@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_what_cannot_change_is_refused_by_name_and_the_fit_stays(name, call):
    clf, X, y = fitted()
    before = clf.predict_proba(X)
    clf.set_params(**{name: REFUSED[name]})
    with pytest.raises(ValueError, match=f"`{name}` was .* cannot change while training goes on"):
        getattr(clf, call)(X, y)
    assert clf.n_iter_ == 1
    assert np.array_equal(clf.predict_proba(X), before)
    if name != "compile":  # which takes long
        clf.set_params(warm_start=False).fit(X, y)  # a fit anew takes it


def test_what_may_change_is_taken_over():
    clf, X, y = fitted()
    clf.set_params(unimodal_weight=0.25, lr=0.5, batch_size=7, predict_batch_size=3, remix_after=1)
    clf.fit(X, y)
    net = clf.net_
    assert (net.unimodal_weight, net.lr, net.batch_size, net.predict_batch_size) == (
        0.25,
        0.5,
        7,
        3,
    )
    assert clf.history_["remixed"].iloc[-1]


def test_weights_of_a_late_fusion_are_taken_over():
    clf, X, y = fitted(fusion="late")
    clf.set_params(fusion_weights={"face": 1.0, "voice": 3.0}).fit(X, y)
    assert clf.net_.network.fusion.weights == {"face": 1.0, "voice": 3.0}


def test_a_methods_parameters_may_change_unless_they_shape_the_network():
    clf, X, y = fitted(balancing=OGM())
    clf.set_params(balancing__alpha=0.9).fit(X, y)
    assert clf.net_.methods[0].alpha == 0.9
    clf.set_params(balancing=MLA())
    with pytest.raises(ValueError, match="`balancing` was"):
        clf.fit(X, y)
    clf, X, y = fitted(balancing=SustainedBoosting())
    clf.balancing.head_width = 8
    with pytest.raises(ValueError, match="`balancing__head_width` was 64"):
        clf.fit(X, y)


@pytest.mark.parametrize(
    ("cls", "free", "fixed"),
    [
        (SustainedBoostingClassifier, {"residual_weight": 0.1}, {"head_width": 8}),
        (NegativeLearningClassifier, {"warmup_epochs": 3}, {"embedding_dim": 8}),
        (DataRemixingClassifier, {"remix_after": 3, "gamma": 2.0}, {"predictor": "mask"}),
    ],
)
def test_presets_follow_their_values(cls, free, fixed):
    clf, X, y = fitted(cls)
    clf.set_params(**free).fit(X, y)
    (name,) = fixed
    with pytest.raises(ValueError, match=f"`{name}` was"):
        clf.set_params(**fixed).fit(X, y)


def test_parameters_changed_in_place_are_seen():
    clf, X, y = fitted(net_params={"criterion__label_smoothing": 0.1})
    clf.net_params["criterion__label_smoothing"] = 0.2
    with pytest.raises(ValueError, match="`net_params` was"):
        clf.fit(X, y)


def test_modules_and_random_states_go_on_if_they_are_the_same_object():
    module = nn.Linear(5, 4)
    clf, X, y = fitted(backbones={"face": module}, random_state=np.random.RandomState(0))
    assert clf.fit(X, y).n_iter_ == 2
    assert pickle.loads(pickle.dumps(clf)).fit(X, y).n_iter_ == 3
    clf.set_params(backbones={"face": nn.Linear(5, 4)})
    with pytest.raises(ValueError, match="`backbones` was"):
        clf.fit(X, y)


def test_same_compares_what_parameters_say():
    assert same({"a": [1, np.arange(3)]}, {"a": [1, np.arange(3)]})
    assert same(OGM(), OGM())
    assert same(1, 1.0)
    assert not same({"a": 1}, {"a": 2})
    assert not same(OGM(), OGM(alpha=0.1))
    assert not same((1,), [1])


# -- files -------------------------------------------------------------------------------------


def test_a_loaded_network_holds_out_the_rows_that_were_held_out_before(tmp_path):
    X, y = blobs(n=90)
    params = {**FAST, "early_stopping": True, "warm_start": True, "random_state": 7}
    clf = MultimodalClassifier(**params).fit(X, y)
    clf.save_weights(tmp_path / "net.safetensors")
    loaded = MultimodalClassifier(**params).load_weights(tmp_path / "net.safetensors")
    assert loaded.net_.seed == clf.net_.seed
    held_out = []
    for one in (clf, loaded):
        original = one._split

        def spy(rows, seed, original=original):
            parts = original(rows, seed)
            held_out.append(parts[1].given)
            return parts

        one._split = spy
        one.fit(X, y)
    assert clf.history_["valid_loss"][0] == loaded.history_["valid_loss"][0]
    assert np.array_equal(*held_out)


def test_weights_replace_no_estimator_of_other_modalities_or_classes(tmp_path):
    clf, X, y = fitted()
    clf.save_weights(tmp_path / "net.safetensors")
    names = np.array(["a", "b", "c"])[y]
    others = [
        clone(clf).fit(Modalities(face=X["face"], sound=X["voice"]), y),
        clone(clf).fit(X, names),
    ]
    for other in others:
        known = other.modality_names_, other.classes_
        with pytest.raises(ValueError, match=r"weights for .* but this estimator was fitted"):
            other.load_weights(tmp_path / "net.safetensors")
        assert known == (other.modality_names_, other.classes_) or known[1] is other.classes_
    again = clone(clf).fit(X, y).load_weights(tmp_path / "net.safetensors")
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))


# -- fitted in one step ------------------------------------------------------------------------


def test_whoever_interrupts_the_remembering_finds_the_old_fit_whole(monkeypatch):
    clf, X, y = fitted(warm_start=False)
    before, state = clf.predict_proba(X), dict(vars(clf))

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(MultimodalClassifier, "_said_of_fusion", interrupted)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(Modalities(other=X["face"]), y % 2)
    assert vars(clf).keys() == state.keys()
    assert all(vars(clf)[key] is state[key] for key in state)
    assert np.array_equal(clf.predict_proba(X), before)


def test_names_of_columns_are_forgotten_with_the_fit_that_had_them():
    import pandas as pd

    X, y = blobs(n=60)
    clf = MultimodalClassifier(**FAST).fit(pd.DataFrame(X["face"]).add_prefix("c"), y)
    assert hasattr(clf, "feature_names_in_")
    assert not hasattr(clf.fit(X["face"], y), "feature_names_in_")
