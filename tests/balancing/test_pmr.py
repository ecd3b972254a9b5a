"""PMR: class means, distances and coefficients by hand, and what the loss gets."""

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import PMR, _pmr
from sk_mmbalance.networks import entropy, probability_of_truth

from .conftest import FAST, blobs, fit, same_weights, with_missing

U = {"a": [[1.0, 0], [0, 2]], "v": [[0.5, 0.5], [1, 1]]}
C = {"a": [[1.0, 1], [0, 1]], "v": [[0.0, 0], [1, 2]]}
Y = torch.tensor([0, 1])
ALL = torch.ones(2, dtype=torch.bool)
FAR = torch.finfo(torch.float64).min


def rounded(values):
    return [round(value, 4) for value in values.tolist()]


def by_hand(name):
    u, c = (torch.tensor(each[name], dtype=torch.float64) for each in (U, C))
    return _pmr.prototype_logits(u, c, ALL)


def test_two_modalities_by_hand():
    logits = {m: by_hand(m) for m in U}
    credits = torch.stack([probability_of_truth(z, Y) for z in logits.values()], dim=1)
    assert rounded(credits[:, 0]) == [0.6021, 0.6021]
    assert rounded(credits[:, 1]) == [0.7056, 0.6021]
    _, ratios, pairs = _pmr.pair_ratios(credits)
    assert round(ratios[0, 1].item(), 4) == 0.9209
    beta = _pmr.shortfall(ratios.t(), pairs)
    assert rounded(beta) == [0.0859, 0.0]
    assert _pmr.shortfall(ratios.t(), pairs, constant=True).tolist() == [1, 0]
    assert rounded(_pmr.shortfall(ratios, pairs)) == [0.0, 0.0859]
    losses = torch.stack([torch.nn.functional.cross_entropy(z, Y) for z in logits.values()])
    assert rounded(losses) == [0.5073, 0.4280]
    assert rounded(torch.stack([entropy(z).mean() for z in logits.values()])) == [0.6722, 0.6391]
    assert round((beta * losses).sum().item(), 4) == 0.0436


def test_shortfall_is_to_the_best_and_at_most_one():
    scores = torch.tensor([0.2, 0.3, 0.9], dtype=torch.float64)
    ratios, pairs = scores[:, None] / scores[None, :], ~torch.eye(3, dtype=torch.bool)
    assert _pmr.shortfall(ratios.t(), pairs).tolist() == [1, 1, 0]
    assert rounded(_pmr.shortfall(ratios[1:, 1:].t(), pairs[1:, 1:])) == [1, 0]
    alone = torch.zeros(3, 3, dtype=torch.bool)
    assert _pmr.shortfall(ratios.t(), alone).tolist() == [0, 0, 0]


def test_an_embedding_on_its_class_mean_has_a_finite_gradient():
    u = torch.zeros(1, 2, requires_grad=True)
    _pmr.prototype_logits(u, torch.zeros(2, 2), ALL)[0, 0].backward()
    assert u.grad.isfinite().all()


def test_class_without_mean_is_out_of_the_question():
    u, means = torch.ones(1, 2, dtype=torch.float64), torch.zeros(3, 2, dtype=torch.float64)
    known = torch.tensor([True, False, True])
    logits = _pmr.prototype_logits(u, means, known)
    assert logits[0, 1] == FAR
    assert logits.softmax(dim=1).tolist() == [[0.5, 0, 0.5]]


def test_means_keep_what_a_pass_does_not_show():
    sums = torch.tensor([[2.0, 4], [0, 0], [3, 3], [0, 0]])
    counts = torch.tensor([2.0, 0, 3, 0])
    before = torch.tensor([[3.0, 0], [5, 5], [0, 0], [0, 0]])
    known = torch.tensor([True, True, False, False])
    means, now = _pmr.next_means(sums, counts, before, known, 0.25)
    assert means.tolist() == [[1.5, 1.5], [5, 5], [1, 1], [0, 0]]
    assert now.tolist() == [True, True, True, False]


def test_class_means_are_those_of_the_rows_that_have_the_modality():
    X, y = blobs(n=60)
    holes, present = with_missing(X)
    weight = np.where(np.arange(60) % 2, 1.0, 3.0)
    clf = fit(PMR(), holes, y, weight, missing="mask", lr=1e-300)
    net = clf.net_
    inputs = {m: torch.from_numpy(np.nan_to_num(X[m])) for m in X}
    embeddings = net.evaluate(({"inputs": inputs}, None)).embeddings
    for k, name in enumerate(X.names):
        kept = net.running(net.methods[0])[name]
        for label in range(3):
            rows = (y == label) & present[:, k]
            mean = np.average(embeddings[name].numpy()[rows], axis=0, weights=weight[rows])
            np.testing.assert_allclose(kept.means[label], mean, rtol=1e-6)
        assert kept.known.all()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_strength_zero_is_joint_training(optimizer):
    X, y = blobs(n=60)
    params = {"optimizer": optimizer, "dropout": 0.3}
    plain = fit(None, X, y, **params)
    assert same_weights(fit(PMR(weight=0), X, y, **params), plain)
    # and outside its window
    assert same_weights(fit(PMR(start_epoch=9), X, y, **params), plain)


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(PMR(), X, y), fit(None, X, y))


@pytest.mark.parametrize("coefficient", ["ratio", "constant", "equal"])
def test_loss_is_the_sum_of_its_parts(coefficient):
    X, y = blobs(n=60)
    value = PMR(coefficient=coefficient, weight=0.7, entropy_weight=0.2, entropy_epochs=9)
    net = fit(value, X, y).net_
    batch = {"inputs": {m: torch.from_numpy(X[m]) for m in X}}
    codes = torch.from_numpy(y)
    output = net.infer(batch)
    state = net.running(net.methods[0])
    z = {m: -torch.cdist(output.embeddings[m], state[m].means) for m in X}
    score = {m: probability_of_truth(z[m], codes).mean() for m in X}
    expected = torch.tensor(0.0, dtype=torch.float64)
    for m, other in (("face", "voice"), ("voice", "face")):
        behind, ahead = score[other] / score[m] - 1, score[m] / score[other] - 1
        beta, gamma = behind.clamp(0, 1), ahead.clamp(0, 1)
        if coefficient != "ratio":
            beta, gamma = (b.ceil() for b in (beta, gamma))
        if coefficient == "equal":
            beta = gamma = 0.5
        expected = expected + 0.7 * beta * torch.nn.functional.cross_entropy(z[m], codes)
        expected = expected - 0.2 * gamma * entropy(z[m]).mean()
    zero = torch.zeros((), dtype=torch.float64)
    found = net.methods[0].loss(net, output, (batch, codes), zero)
    torch.testing.assert_close(found, expected)
    later = PMR(**{**value.get_params(), "entropy_epochs": 2})  # this is the third
    net.use_methods([later])
    assert later.loss(net, output, (batch, codes), zero) > found


def test_it_pulls_a_modality_that_is_behind_to_its_class_means():
    X, y = blobs(n=90)
    weak = X["voice"] * 0.3
    X = type(X)(face=X["face"], voice=weak)
    clf = fit(PMR(weight=3.0), X, y, max_epochs=20, unimodal_weight=0)
    weights = clf.history_.filter(like="__loss_weight")
    assert (weights.iloc[:, 1] > 0).any()
    plain = fit(PMR(weight=1e-9), X, y, max_epochs=20, unimodal_weight=0)
    assert clf.history_["voice__score"].iloc[-1] > plain.history_["voice__score"].iloc[-1]


def test_window_is_kept():
    X, y = blobs(n=60)
    clf = fit(PMR(start_epoch=1, stop_epoch=2), X, y)
    assert clf.history_["face__score"].notna().tolist() == [False, True, False]


@pytest.mark.parametrize("fusion", ["concat", "sum", "late", "gated", "film", "transformer"])
def test_every_fusion_will_do_where_rows_lack_modalities(fusion):
    X, y = blobs(n=60)
    holes, _ = with_missing(X)
    clf = fit(PMR(), holes, y, missing="mask", fusion=fusion, max_epochs=2)
    assert np.isfinite(clf.history_.filter(like="__loss_weight")).all(axis=None)


def test_a_class_that_a_modality_never_shows_has_no_term_in_it():
    X, y = blobs(n=90)
    voice = X["voice"].copy()
    voice[y == 1] = np.nan
    holes = type(X)(face=X["face"], voice=voice)
    clf = fit(PMR(coefficient="equal"), holes, y, missing="mask")
    assert clf.net_.running(clf.net_.methods[0])["voice"].known.tolist() == [True, False, True]
    assert np.isfinite(clf.history_["train_loss"]).all()


def test_labels_and_numbers_are_refused():
    X, y = blobs(n=60)
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    with pytest.raises(ValueError, match=r"PMR\(\) works with classes, and `y` holds labels"):
        fit(PMR(), X, labels)
    with pytest.raises(ValueError, match=r"PMR\(\) works with classes, and `y` holds numbers"):
        MultimodalRegressor(**FAST, balancing=PMR()).fit(X, y.astype(float))


def test_control_and_published_form():
    clf = MultimodalClassifier(balancing=PMR(weight=2.0, momentum=0.5))
    control = clf.set_params(**clf.balancing.control()).balancing
    assert (control.weight, control.momentum, control.coefficient) == (2.0, 0.5, "equal")
    clf = PMR.published_estimator()
    published = (clf.balancing.coefficient, clf.optimizer, clf.unimodal_weight)
    assert published == ("constant", "sgd", 0.0)
