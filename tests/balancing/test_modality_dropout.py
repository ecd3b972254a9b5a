"""ModalityDropout: who loses what, and what the losses still see."""

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import ModalityDropout, _modality_dropout

from .conftest import FAST, blobs, fit, same_weights, with_missing


def draw(n_rows, n_modalities, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((n_rows, n_modalities), generator=generator)


def test_survivors_by_hand():
    having = torch.tensor([[True, True], [True, True], [True, False], [True, True], [False, False]])
    chances = torch.tensor([[0.1, 0.9], [0.9, 0.2], [0.1, 0.9], [0.1, 0.1], [0.9, 0.9]])
    ties = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.3, 0.6], [0.5, 0.6]])
    kept = _modality_dropout.survivors(having, chances, torch.tensor([0.3, 0.3]), ties)
    expected = [[False, True], [True, False], [True, False], [False, True], [False, False]]
    assert kept.tolist() == expected


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_shares_are_as_the_rate_says(rate):
    n = 20_000
    having = torch.ones(n, 3, dtype=torch.bool)
    kept = _modality_dropout.survivors(having, draw(n, 3, 0), torch.full((3,), rate), draw(n, 3, 1))
    assert kept.any(dim=1).all()
    # a row that would lose all three keeps one of them
    expected = 1 - rate + rate**3 / 3
    np.testing.assert_allclose(kept.float().mean(dim=0), expected, atol=0.015)


def test_rows_of_a_batch_can_draw_together():
    having = torch.tensor([[True, True], [True, True], [False, True]])
    chances, ties = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.9, 0.1]])
    kept = _modality_dropout.survivors(having, chances, torch.tensor([0.3, 0.3]), ties)
    assert kept.tolist() == [[True, False], [True, False], [False, True]]
    X, y = blobs(n=60)
    shares = fit(ModalityDropout(unit="batch"), X, y, batch_size=200).history_["face__dropped"]
    assert set(shares) <= {0.0, 1.0}


@pytest.mark.parametrize("off", [ModalityDropout(rate=0), ModalityDropout(rate={"face": 0.0})])
@pytest.mark.parametrize("fusion", ["concat", "transformer"])
def test_rate_zero_is_its_control(off, fusion):
    X, y = blobs(n=60)
    params = {"dropout": 0.2, "fusion": fusion}
    assert same_weights(fit(off, X, y, **params), fit(None, X, y, **params))
    control = MultimodalClassifier().set_params(**off.control())
    assert (control.balancing, control.fusion, control.unimodal_weight) == (None, "concat", 1.0)


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(ModalityDropout(rate=0.9), X, y), fit(None, X, y))


def test_history_shows_what_was_lost_in_the_window():
    X, y = blobs(n=400)
    value = ModalityDropout(rate={"face": 0.5}, start_epoch=1, stop_epoch=2)
    clf = fit(value, X, y)
    assert clf.history_["face__dropped"].notna().tolist() == [False, True, False]
    assert clf.history_["face__dropped"][1] == pytest.approx(0.5, abs=0.1)
    assert clf.history_["voice__dropped"][1] == 0


@pytest.mark.parametrize("fusion", ["concat", "sum", "late", "gated", "film", "transformer"])
def test_a_modality_that_is_always_lost_learns_from_its_own_loss_alone(fusion):
    X, y = blobs(n=60)
    shuffled = type(X)(face=X["face"][::-1].copy(), voice=X["voice"])
    value = ModalityDropout(rate={"face": 1.0})
    first, second = (fit(value, each, y, fusion=fusion) for each in (X, shuffled))

    def encoder(clf, name):
        return clf.net_.network.backbones[name].state_dict()

    for key, weight in encoder(first, "voice").items():  # the face has no part in the fused loss
        assert torch.equal(weight, encoder(second, "voice")[key])
    mute = fit(value, X, y, fusion=fusion, unimodal_weight=0, weight_decay=0, optimizer="sgd")
    start = fit(None, X, y, fusion=fusion, unimodal_weight=0, lr=1e-300)
    for key, weight in encoder(mute, "face").items():
        assert torch.equal(weight, encoder(start, "face")[key])
    if fusion != "late":
        assert not torch.equal(first.net_.network.heads["face"].bias, torch.zeros(3))
    assert first.history_["face__train_loss"].iloc[-1] < first.history_["face__train_loss"].iloc[0]


def test_draws_are_the_same_every_time_and_new_in_every_epoch():
    X, y = blobs(n=60)
    clf = fit(ModalityDropout(), X, y, max_epochs=6)
    assert same_weights(clf, fit(ModalityDropout(), X, y, max_epochs=6))
    assert clf.history_["face__dropped"].nunique() > 1


def test_it_helps_where_rows_lack_the_strong_modality_in_prediction():
    X, y = blobs(n=300, dims={"face": (8,), "voice": (2,)}, spread=1.0)
    X = type(X)(face=X["face"] * 3, voice=X["voice"])
    params = {"unimodal_weight": 0, "missing": "mask", "max_epochs": 30}
    without = type(X)(face=np.full_like(X["face"], np.nan), voice=X["voice"])
    plain = fit(None, X, y, **params).score(without, y)
    assert fit(ModalityDropout(rate=0.5), X, y, **params).score(without, y) > plain


def test_rows_may_lack_modalities_and_targets_be_labels_or_numbers():
    X, y = blobs(n=90)
    holes, _ = with_missing(X)
    assert fit(ModalityDropout(), holes, y, missing="mask", max_epochs=15).score(holes, y) > 0.6
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    assert fit(ModalityDropout(), X, labels).predict(X).shape == (90, 2)
    reg = MultimodalRegressor(**FAST, balancing=ModalityDropout()).fit(X, y.astype(float))
    assert np.isfinite(reg.history_["train_loss"]).all()


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ({"ear": 0.5}, r"`rate` of .* names \['ear'\], which `X` does not have"),
        ({"face": 1.5}, r"must be between 0 and 1; got 1.5 for 'face'"),
        ({"face": "often"}, r"must be between 0 and 1; got 'often' for 'face'"),
        (1.5, "The 'rate' parameter of ModalityDropout"),
    ],
)
def test_what_is_no_rate_is_refused(rate, message):
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=message):
        fit(ModalityDropout(rate=rate), X, y)
