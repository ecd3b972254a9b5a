"""MMCosine: cosines by hand, and that only directions count."""

import numpy as np
import pytest
import torch

from sk_mmbalance import MultimodalClassifier, MultimodalRegressor
from sk_mmbalance.balancing import MMCosine, _mmcosine

from .conftest import FAST, blobs, fit, same_weights, with_missing

U = {"a": torch.tensor([[3.0, 4]]), "v": torch.tensor([[1.0, 1]])}
W = {
    "a": torch.tensor([[1.0, 0], [0, 2], [-1, 0]]),
    "v": torch.tensor([[2.0, 0], [0, 1], [1, -1]]),
}


def by_hand(scale=10.0, **params):
    fusion = _mmcosine.CosineFusion({"a": 2, "v": 2}, 3, scale, **params)
    for name, weight in W.items():
        fusion.maps[name].weight = torch.nn.Parameter(weight.clone())
    return fusion.double()


def test_logits_by_hand():
    u = {m: x.double() for m, x in U.items()}
    np.testing.assert_allclose(
        _mmcosine.cosines(u["v"], W["v"].double()), [[0.7071, 0.7071, 0]], atol=5e-5
    )
    logits, _ = by_hand()(u)
    np.testing.assert_allclose(logits.detach(), [[13.0711, 15.0711, -6]], atol=5e-5)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([1]))
    assert round(loss.item(), 4) == 0.1269


@pytest.mark.parametrize("name", ["a", "v"])
def test_lengths_of_embeddings_and_weights_change_nothing(name):
    u = {m: x.double() for m, x in U.items()}
    plain, _ = by_hand()(u)
    torch.testing.assert_close(by_hand()({**u, name: 7 * u[name]})[0], plain)
    fusion = by_hand()
    fusion.maps[name].weight.data[1] *= 7
    torch.testing.assert_close(fusion(u)[0], plain)


def test_control_is_one_cosine_of_the_concatenation():
    u = {m: x.double() for m, x in U.items()}
    whole, weight = (torch.cat(list(parts.values()), dim=1).double() for parts in (u, W))
    expected = 20 * torch.nn.functional.cosine_similarity(whole, weight)[None]
    torch.testing.assert_close(by_hand(together=True)(u)[0], expected)
    clf = MultimodalClassifier(balancing=MMCosine(scale=4.0))
    clf.set_params(**clf.balancing.control())
    assert clf.balancing.get_params() == {"scale": 4.0, "over": "concatenation"}


@pytest.mark.parametrize("together", [False, True])
def test_a_zero_embedding_says_nothing_and_gradients_stay_finite(together):
    fusion = by_hand(together=together)
    u = {"a": torch.zeros(1, 2, dtype=torch.float64, requires_grad=True), "v": U["v"].double()}
    logits, _ = fusion(u)
    assert torch.equal(logits, fusion({"v": u["v"]})[0])
    logits.square().sum().backward()
    assert together or not u["a"].grad.any()  # together, it may help the others
    assert all(p.grad.isfinite().all() for p in fusion.parameters() if p.grad is not None)


def test_lowest_loss_by_hand():
    assert round(_mmcosine.lowest_loss(2 * 2, 100), 4) == 1.0085  # two modalities, scale 2
    assert _mmcosine.lowest_loss(10 * 2, 100) == pytest.approx(1.67e-7, rel=0.01)


def test_a_scale_that_keeps_the_loss_up_is_warned_of():
    X, y = blobs(n=60)
    with pytest.warns(UserWarning, match=r"MMCosine\(scale=0.1\), 2 modalities .* `scale`"):
        fit(MMCosine(scale=0.1), X, y)


def test_one_modality_is_one_classifier_of_cosines():
    X, y = blobs(n=60, dims={"face": (5,)})
    assert same_weights(fit(MMCosine(), X, y), fit(MMCosine(over="concatenation"), X, y))


def test_it_predicts_as_it_trains():
    X, y = blobs(n=90)
    clf = fit(MMCosine(), X, y, max_epochs=15)
    assert clf.score(X, y) > 0.8
    fusion = clf.net_.network.fusion
    embeddings = clf.net_.network.encode({m: torch.from_numpy(X[m]) for m in X})
    logits = sum(
        10 * torch.nn.functional.cosine_similarity(u[:, None], fusion.maps[m].weight, dim=2)
        for m, u in embeddings.items()
    )
    np.testing.assert_allclose(clf.predict_proba(X), logits.softmax(1).detach(), rtol=1e-6)


@pytest.mark.parametrize("over", ["modality", "concatenation"])
def test_rows_may_lack_modalities(over):
    X, y = blobs(n=90)
    holes, _ = with_missing(X)
    assert fit(MMCosine(over=over), holes, y, missing="mask", max_epochs=15).score(holes, y) > 0.6


@pytest.mark.parametrize("fusion", ["sum", "late", "film", "gated", "transformer"])
def test_other_fusions_are_refused(fusion):
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=rf"MMCosine\(\) needs `fusion` .*got '{fusion}'"):
        fit(MMCosine(), X, y, fusion=fusion)


def test_labels_are_learnt_and_numbers_refused():
    X, y = blobs(n=60)
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    assert fit(MMCosine(), X, labels).predict(X).shape == (60, 2)
    with pytest.raises(ValueError, match=r"MMCosine\(\) works with classes and labels"):
        MultimodalRegressor(**FAST, balancing=MMCosine()).fit(X, y.astype(float))


def test_published_side():
    clf = MMCosine.published_estimator()
    assert (clf.optimizer, clf.unimodal_weight, clf.balancing.scale) == ("sgd", 0.0, 10.0)
