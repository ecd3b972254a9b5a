"""A federation that was broken off and is called again gives what it would have given."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sk_mmbalance import CMSFedClassifier, FedAvgClassifier, FedCMIClassifier
from sk_mmbalance.exceptions import CheckpointWarning

from .conftest import blobs

#: Rounds that were begun, and in which of them the fit breaks off.
BEGUN = []
BREAK_IN = []


class BrokenOffError(Exception):
    pass


def rate(number, client):
    """A share of clients that drop out, which is asked for in every round."""
    if number not in BEGUN:
        BEGUN.append(number)
    if number in BREAK_IN:
        raise BrokenOffError
    return 0.1 if client else 0.5  # client 0 is often away


SMALL = {
    "hidden_layer_sizes": (3,),
    "feature_dim": 3,
    "n_rounds": 3,
    "clients_per_round": 3,
    "dropout": 0.2,
    "dropout_rate": rate,
    "random_state": 0,
}
X, y = blobs(n=60)
clients = np.arange(60) % 4

FITS = {
    "FedAvg": FedAvgClassifier(optimizer="adamw", lr=0.01, lr_min=0.001, **SMALL),
    "FedCMI": FedCMIClassifier(personal_branch=True, evaluate_every=2, **SMALL),
    "CMSFed": CMSFedClassifier(aggregation="median", **SMALL),
}


@pytest.fixture(autouse=True)
def _nothing_begun():
    BEGUN.clear()
    BREAK_IN.clear()
    yield
    BREAK_IN.clear()


def broken_off(fit, number, X=X, y=y, clients=clients, **kwargs):
    """Fit until a round; gives the rounds that were begun."""
    BEGUN.clear()
    BREAK_IN[:] = [number]
    with pytest.raises(BrokenOffError):
        fit.fit(X, y, clients=clients, **kwargs)
    BREAK_IN.clear()
    return list(BEGUN)


def assert_same_fit(a, b):
    first, second = a.module_.state_dict(), b.module_.state_dict()
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert a.history_.drop(columns="seconds").equals(b.history_.drop(columns="seconds"))
    assert a.selection_log_.equals(b.selection_log_)
    assert a.plan_ == b.plan_
    assert a.personal_.keys() == b.personal_.keys()
    for client, own in a.personal_.items():
        assert all(np.array_equal(own[key], b.personal_[client][key]) for key in own)
    # what is kept goes on: prototypes, tables, temperatures
    a, b = (model.partial_fit(X, y, clients=clients) for model in (a, b))
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        *((name, "inprocess") for name in FITS),
        pytest.param("CMSFed", "flower", marks=pytest.mark.slow),
        pytest.param("FedCMI", "flower", marks=pytest.mark.slow),
    ],
)
def test_a_federation_goes_on_after_every_round_to_the_same_bits(name, engine, tmp_path):
    if engine == "flower":
        pytest.importorskip("flwr")
    whole = clone(FITS[name]).fit(X, y, clients=clients)
    fit = clone(FITS[name]).set_params(checkpoint_dir=tmp_path, engine=engine)
    for number in (1, 2, 3):
        assert broken_off(fit, number) == ([1] if number == 1 else [number - 1, number])
        assert not hasattr(fit, "server_")
    BEGUN.clear()
    fit.fit(X, y, clients=clients)
    assert BEGUN == [3]
    assert_same_fit(fit, whole)
    assert list(tmp_path.iterdir()) == []


def test_another_federations_checkpoint_is_never_used(tmp_path):
    fit = clone(FITS["FedAvg"]).set_params(checkpoint_dir=tmp_path)
    assert broken_off(fit, 2) == [1, 2]
    other_X = {**X, "a": X["a"] + 1e-15}
    assert broken_off(fit, 1, X=other_X) == [1]
    assert broken_off(fit, 1, y=np.roll(y, 1)) == [1]
    assert broken_off(fit, 1, clients=np.roll(clients, 1)) == [1]
    assert broken_off(fit, 1, eval_set=(X, y)) == [1]
    assert broken_off(fit, 1, sample_weight=np.r_[0.5, np.ones(59)]) == [1]
    for others in ({"random_state": 1}, {"lr": 0.02}, {"n_rounds": 4}, {"prox_mu": 0.1}):
        assert broken_off(clone(fit).set_params(**others), 1) == [1], others
    assert broken_off(fit, 2) == [2]


def test_a_damaged_checkpoint_is_told_and_not_used(tmp_path):
    fit = clone(FITS["FedAvg"]).set_params(checkpoint_dir=tmp_path)
    broken_off(fit, 2)
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    for damaged in (data[:-1], data[:99] + b"?" + data[100:], data[:-9] + b"?" + data[-8:]):
        file.write_bytes(damaged)
        with pytest.warns(CheckpointWarning, match=f"{file.name}.* is damaged"):
            assert broken_off(fit, 1) == [1]


def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(tmp_path, monkeypatch):
    whole = clone(FITS["FedAvg"]).fit(X, y, clients=clients)
    fit = clone(FITS["FedAvg"]).set_params(checkpoint_dir=tmp_path)
    BREAK_IN[:] = [3]
    with monkeypatch.context() as patched:
        patched.setitem(rate.__globals__, "BrokenOffError", KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            fit.fit(X, y, clients=clients)
    assert fit.n_rounds_ == 2
    BREAK_IN.clear()
    BEGUN.clear()
    fit.fit(X, y, clients=clients)
    assert BEGUN == [3]
    assert_same_fit(fit, whole)


def test_no_checkpoint_without_a_seed_and_none_of_a_single_round(tmp_path):
    fit = clone(FITS["FedAvg"]).set_params(checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="`checkpoint_dir` needs a `random_state`"):
        clone(fit).set_params(random_state=None).fit(X, y, clients=clients)
    fit.partial_fit(X, y, classes=np.unique(y), clients=clients)
    assert list(tmp_path.iterdir()) == []
