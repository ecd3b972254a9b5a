"""MIDAS: the loss of mixed rows by hand, and what is mixed with what."""

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier
from sk_mmbalance.balancing import MIDAS
from sk_mmbalance.networks import ClassLoss

from .conftest import FAST, blobs, fit, formulae, same_weights, with_missing

of = formulae(MIDAS)

A = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
B = torch.tensor([[0.0, 0, 1], [0, 0.5, 0]], dtype=torch.float64)
Y = torch.tensor([0, 1])
FIRST, SECOND = torch.tensor([0, 1]), torch.tensor([1, 0])
SWAPPED = [False, True]  # the first modality stays, the second is from the other row


def rounded(values):
    return [round(float(value), 6) for value in values]


def example():
    """Both mixed rows: a of row 0 with b of row 1, and its mirror."""
    credits = torch.stack([ClassLoss().credit(A, Y), ClassLoss().credit(B, Y)], dim=1)
    shares = of.credit_shares(torch.stack([credits[FIRST, 0], credits[SECOND, 1]], dim=1))
    log_p = torch.log_softmax(A[FIRST] + B[SECOND], dim=1)
    return shares, log_p, torch.stack([log_p[FIRST, Y[FIRST]], log_p[FIRST, Y[SECOND]]], dim=1)


def test_mixed_row_by_hand():
    shares, whole, log_p = example()
    assert rounded(shares[0]) == [0.635256, 0.364744]
    assert rounded(whole[0].exp()) == [0.736125, 0.164252, 0.099624]
    one = torch.ones(2, dtype=torch.float64)
    assert rounded(of.misaligned_losses(log_p, shares, one))[0] == 0.853472
    pushed = torch.tensor([1, 1.05], dtype=torch.float64)
    assert rounded(of.misaligned_losses(log_p, shares, pushed))[0] == 0.886415
    alike = torch.tensor([0.6, 0.6], dtype=torch.float64)
    assert rounded(of.misaligned_losses(log_p, shares, pushed, alike))[0] == 1.595546


def test_mirror_and_strengths_by_hand():
    shares, _, log_p = example()
    assert rounded(shares[1]) == [0.731059, 0.268941]
    fused = of.fused_shares(log_p, shares, SWAPPED)
    means = shares.mean(dim=0)
    assert rounded(means) == [0.683157, 0.316843]
    assert rounded(fused.mean(dim=0)[1:]) == [0.225683]
    gaps = means - fused.mean(dim=0)
    one = torch.ones(2, dtype=torch.float64)
    once = of.next_strengths(one, means, gaps, 0.05)
    assert rounded(once) == [1, 1.05]
    assert rounded(of.next_strengths(once, means, gaps, 0.05)) == [1, 1.1]
    assert rounded(of.next_strengths(once, means, -gaps, 0.05)) == [1, 1]
    assert rounded(of.next_strengths(one, means, -gaps, 0.05)) == [1, 1]


def test_three_modalities_part_their_rows_class_by_their_shares():
    shares = torch.tensor([[0.2, 0.3, 0.5]])
    log_p = torch.tensor([[0.6, 0.2, 0.6]]).log()
    fused = of.fused_shares(log_p, shares, [False, True, False])
    expected = [0.75 * 0.2 / 0.7, 0.25, 0.75 * 0.5 / 0.7]
    np.testing.assert_allclose(fused[0], expected, rtol=1e-6)
    assert of.credit_shares(torch.zeros(1, 3)).tolist() == [[0, 0, 0]]


def test_embeddings_are_those_of_the_rows_they_are_from():
    embeddings = {"a": A, "b": B}
    mixed, looks = of.mixed_rows(embeddings, SWAPPED, FIRST, SECOND)
    assert torch.equal(mixed["a"], A)
    assert torch.equal(mixed["b"], B.flip(0))
    expected = torch.nn.functional.cosine_similarity(B, B.flip(0))
    assert torch.equal(looks, expected)


def test_partners_are_drawn_among_those_that_may_have_one():
    here = torch.tensor([True, False, True, True, False, True])
    generator = torch.Generator().manual_seed(0)
    weight = torch.arange(6.0)
    i, j, of_pair = of.random_pairs(6, generator, weight, here)
    assert torch.equal(weight[i], of_pair)
    assert [j[1].item(), j[4].item()] == [1, 4]
    assert sorted(j[here].tolist()) == [0, 2, 3, 5]
    assert not (j[here] == torch.tensor([0, 2, 3, 5])).any()
    j = of.random_pairs(6, generator).second
    assert sorted(j.tolist()) == list(range(6))
    assert not (j == torch.arange(6)).any()
    for alone in (None, torch.tensor([True])):
        assert of.random_pairs(1, generator, None, alone).second.tolist() == [0]
    i, j, of_pair = of.all_pairs(2, "cpu", torch.tensor([2.0, 3.0]))
    assert (i.tolist(), j.tolist()) == ([0, 0, 1, 1], [0, 1, 0, 1])
    assert of_pair.tolist() == [4, 6, 6, 9]


def test_every_proper_subset_is_drawn():
    drawn = {tuple(of.drawn_subset(seed, 3)) for seed in range(60)}
    assert len(drawn) == 6
    assert not {(True,) * 3, (False,) * 3} & drawn
    assert {tuple(of.drawn_subset(seed, 2)) for seed in range(9)} == {(True, False), (False, True)}


@pytest.mark.parametrize("fusion", ["concat", "transformer"])
@pytest.mark.parametrize("off", [{"misaligned_weight": 0}, {"stop_epoch": 0}])
def test_strength_zero_is_joint_training(off, fusion):
    X, y = blobs(n=60)
    params = {"dropout": 0.2, "fusion": fusion}
    value = MIDAS(start_epoch=0, **off)
    assert same_weights(fit(value, X, y, **params), fit(None, X, y, **params))


def test_control_has_the_same_warm_up():
    X, y = blobs(n=60)
    value = MIDAS(start_epoch=2)
    control = MultimodalClassifier(**FAST).set_params(**value.control())
    assert control.balancing.misaligned_weight == 0
    control.fit(X, y)
    assert not same_weights(control, fit(None, X, y))
    early = fit(value, X, y, max_epochs=2)
    assert same_weights(early, control.set_params(max_epochs=2).fit(X, y))


def test_fusion_is_not_trained_in_the_warm_up():
    X, y = blobs(n=60)
    clf = fit(MIDAS(start_epoch=2), X, y, max_epochs=2, weight_decay=0.0)
    start = fit(None, X, y, lr=1e-300, weight_decay=0.0)
    for key, weight in start.net_.network.state_dict().items():
        unchanged = torch.equal(weight, clf.net_.network.state_dict()[key])
        assert unchanged == key.startswith("fusion.")
    assert fit(MIDAS(), X, y, max_epochs=20).history_["face__alpha"].isna().sum() == 2


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(MIDAS(), X, y), fit(None, X, y))


@pytest.mark.parametrize("pairs", ["random", "all"])
@pytest.mark.parametrize("fusion", ["concat", "sum", "late", "gated", "film", "transformer"])
def test_every_fusion_learns_from_mixed_rows(fusion, pairs):
    X, y = blobs(n=60)
    plain = fit(None, X, y, fusion=fusion)
    clf = fit(MIDAS(pairs=pairs), X, y, fusion=fusion)
    assert not same_weights(clf, plain)
    history = clf.history_
    shares = history["face__credit_share"] + history["voice__credit_share"]
    np.testing.assert_allclose(shares, 1, rtol=1e-6)
    assert (history.filter(like="__alpha") >= 1).all(axis=None)


def test_mixed_rows_move_the_prediction_towards_the_weak_modality():
    X, y = blobs(n=300)
    X = type(X)(face=X["face"], voice=0.3 * X["voice"])
    noise = type(X)(face=X["face"][::-1].copy(), voice=X["voice"])
    params = {"max_epochs": 30}
    plain, mixed = (fit(value, X, y, **params) for value in (None, MIDAS()))
    assert mixed.score(X, y) > 0.8
    # with the face of another row, the voice is heard more
    assert mixed.score(noise, y) > plain.score(noise, y) + 0.03


def test_draws_are_the_same_every_time():
    X, y = blobs(n=60, dims={"a": (3,), "b": (2,), "c": (4,)})
    assert same_weights(fit(MIDAS(), X, y), fit(MIDAS(), X, y))
    assert not same_weights(fit(MIDAS(), X, y), fit(MIDAS(hard_weight=False), X, y))


def test_rows_may_lack_modalities():
    X, y = blobs(n=90, dims={"a": (3,), "b": (2,), "c": (4,)})
    holes, _ = with_missing(X, share=0.5)
    for fusion in ("concat", "gated", "transformer"):
        clf = fit(MIDAS(), holes, y, missing="mask", fusion=fusion, max_epochs=15)
        assert np.isfinite(clf.history_["train_loss"]).all()
        assert clf.score(holes, y) > 0.6


def test_a_batch_of_one_class_has_no_mixed_rows():
    X, y = blobs(n=60)
    order = np.argsort(y, kind="stable")
    clf = fit(MIDAS(), X[order[:21]], y[order[:21]], batch_size=2)
    assert np.isfinite(clf.history_["train_loss"]).all()


def test_what_it_cannot_use_is_refused():
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=r"MIDAS\(\) needs `unimodal_weight` to be above 0"):
        fit(MIDAS(), X, y, unimodal_weight=0)
    with pytest.raises(ValueError, match=r"MIDAS\(\) works with classes, and `y` holds labels"):
        fit(MIDAS(), X, np.stack([y == 0, y < 2], axis=1).astype(int))
