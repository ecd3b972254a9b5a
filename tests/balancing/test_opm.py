"""OPM: chances by hand, and what is dropped from which rows."""

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import OPM

from .conftest import FAST, blobs, fit, formulae, same_weights, with_missing

of = formulae(OPM)

NOW = {"start_epoch": 0, "drop_probability": 1.0}


def chances(*scores, base=0.5, gain=0.5):
    return of.drop_chances(torch.tensor(scores, dtype=torch.float64), base, gain)


def test_chances_by_hand():
    assert [round(q, 6) for q in chances(40, 20).tolist()] == [0.690399, 0]
    assert [round(q, 6) for q in chances(40, 20, 30).tolist()] == [0.634262, 0, 0]
    two = {m: torch.zeros(1, 4) for m in "ab"}
    share = of.dropped_share(chances(40, 20), two).item()
    assert (round(share, 6), round(1 / (1 - share), 6)) == (0.345199, 1.527182)
    three = of.dropped_share(chances(40, 20, 30), {**two, "c": torch.zeros(1, 4)})
    assert round(three.item(), 6) == 0.211421
    uneven = of.dropped_share(chances(40, 20), {"a": torch.zeros(1, 9), "b": torch.zeros(1, 1)})
    assert uneven.item() == pytest.approx(0.9 * 0.690399, abs=1e-6)
    assert chances(30, 30).tolist() == [0, 0]
    assert chances(40, 20, base=0).tolist() == [0, 0]
    assert chances(90, 1, base=0.9).tolist() == [1, 0]


@pytest.mark.parametrize("n_modalities", [2, 3, 5])
def test_chances_equal_a_naive_loop(n_modalities):
    rng = np.random.default_rng(n_modalities)
    scores = rng.uniform(0.1, 1, n_modalities)
    expected = []
    for m in range(n_modalities):
        lead = scores[m] / np.delete(scores, m).mean()
        q = 0.4 * (1 + 0.8 * np.tanh(lead - 1))
        expected.append(min(max(q, 0), 1) if lead > 1 else 0)
    np.testing.assert_allclose(chances(*scores, base=0.4, gain=0.8), expected)
    # a modality without rows is in no mean
    widened = chances(*scores, float("nan"), base=0.4, gain=0.8)
    np.testing.assert_allclose(widened, [*expected, 0])


@pytest.mark.parametrize("off", [{"drop_base": 0}, {"drop_probability": 0}, {"stop_epoch": 0}])
@pytest.mark.parametrize("fusion", ["concat", "transformer"])
def test_strength_zero_is_joint_training(off, fusion):
    X, y = blobs(n=60)
    params = {"dropout": 0.2, "fusion": fusion}
    value = OPM(**{**NOW, **off})
    assert same_weights(fit(value, X, y, **params), fit(None, X, y, **params))


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(OPM(**NOW), X, y), fit(None, X, y))


@pytest.mark.parametrize("own_logits", ["heads", "share"])
@pytest.mark.parametrize("fusion", ["concat", "sum", "late", "gated", "film", "transformer"])
def test_the_modality_ahead_is_dropped_with_every_fusion(fusion, own_logits):
    X, y = blobs(n=400)
    X = type(X)(face=X["face"], voice=0.1 * X["voice"])
    value = OPM(**{**NOW, "start_epoch": 1}, own_logits=own_logits)
    clf = fit(value, X, y, fusion=fusion, max_epochs=4)
    history = clf.history_
    assert history["face__dropped"].notna().tolist() == [False, True, True, True]
    assert history["face__score"][3] > history["voice__score"][3]
    assert 0.3 < history["face__dropped"][3] < 0.75  # it is not ahead in every batch
    assert history["voice__dropped"][3] < 0.5 * history["face__dropped"][3]


def test_control_drops_as_much_of_all_modalities():
    X, y = blobs(n=600)
    X = type(X)(face=X["face"], voice=0.1 * X["voice"])
    value = OPM(**NOW, drop_base=0.3)
    control = value.control()["balancing"]
    assert (control.drops, control.drop_base) == ("any", 0.3)
    ahead, alike = (fit(each, X, y, max_epochs=4).history_.iloc[-1] for each in (value, control))
    assert alike["face__dropped"] == pytest.approx(alike["voice__dropped"], abs=0.05)
    assert alike["face__dropped"] == pytest.approx(ahead["face__dropped"] / 2, abs=0.08)


def test_share_of_batches_with_drops_and_their_draws():
    X, y = blobs(n=60)
    value = OPM(start_epoch=0, drop_probability=0.5)
    clf = fit(value, X, y, max_epochs=6)
    assert same_weights(clf, fit(value, X, y, max_epochs=6))
    assert not same_weights(clf, fit(OPM(**NOW), X, y, max_epochs=6))
    together = fit(OPM(**NOW, unit="batch"), X, y, batch_size=200, max_epochs=6).history_
    assert set(together["face__dropped"]) | set(together["voice__dropped"]) <= {0.0, 1.0}


def test_kept_embeddings_are_enlarged_where_asked_for():
    X, y = blobs(n=60)
    assert not same_weights(fit(OPM(**NOW, rescale=True), X, y), fit(OPM(**NOW), X, y))
    with pytest.raises(ValueError, match=r"OPM\(rescale=True\) needs `fusion`.*got 'late'"):
        fit(OPM(rescale=True), X, y, fusion="late")


def test_rows_may_lack_modalities_and_targets_be_labels_or_numbers():
    X, y = blobs(n=90)
    holes, _ = with_missing(X)
    for fusion in ("concat", "gated"):
        clf = fit(OPM(**NOW), holes, y, missing="mask", max_epochs=15, fusion=fusion)
        assert clf.score(holes, y) > 0.6
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    assert fit(OPM(**NOW), X, labels).predict(X).shape == (90, 2)
    reg = MultimodalRegressor(**FAST, balancing=OPM(**NOW)).fit(X, y.astype(float))
    assert np.isfinite(reg.history_["train_loss"]).all()


def test_published_form_and_its_side():
    clf = OPM.published_estimator()
    assert (clf.balancing.rescale, clf.balancing.own_logits) == (True, "share")
    assert (clf.optimizer, clf.unimodal_weight) == ("sgd", 0.0)
    assert isinstance(clf, MultimodalClassifier)
