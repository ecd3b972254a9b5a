"""MLA: the numbers of its formulae, and turns that leave the others alone."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sk_mmbalance import MultimodalClassifier
from sk_mmbalance.balancing import MLA, _mla
from sk_mmbalance.networks import SharedHead, entropy

from .conftest import FAST, blobs, fit, same_weights, with_missing

R = torch.tensor([1.0, 2, 0], dtype=torch.float64)
GRADIENT = torch.tensor([[1.0, 1, 1]], dtype=torch.float64)


def test_projection_by_hand():
    projection = _mla.next_projection(torch.eye(3, dtype=torch.float64), R, 0.1)
    expected = [[0.8039, -0.3922, 0], [-0.3922, 0.2157, 0], [0, 0, 1]]
    np.testing.assert_allclose(projection, expected, atol=5e-5)
    np.testing.assert_allclose(projection @ R, [0.0196, 0.0392, 0], atol=5e-5)
    np.testing.assert_allclose(GRADIENT @ projection, [[0.4118, -0.1765, 1]], atol=5e-5)


def test_both_forms_agree_on_one_column():
    direct = _mla.without_directions(GRADIENT, R[:, None], 0.1)
    np.testing.assert_allclose(direct, [[0.4118, -0.1765, 1]], atol=5e-5)


def test_several_columns_equal_the_formula():
    generator = torch.Generator().manual_seed(0)
    columns = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    gradient = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    inner = torch.linalg.inv(columns.T @ columns + 0.1 * torch.eye(3))
    expected = gradient @ (torch.eye(6) - columns @ inner @ columns.T)
    torch.testing.assert_close(_mla.without_directions(gradient, columns, 0.1), expected)


def test_weighing_by_certainty_by_hand():
    parts = {
        "a": torch.tensor([[2.0, 0, 0]], dtype=torch.float64),
        "v": torch.tensor([[0.5, 0, 0]], dtype=torch.float64),
    }
    assert [round(entropy(z).item(), 4) for z in parts.values()] == [0.6656, 1.0684]
    head = SharedHead({"a": 2, "v": 2}, 3)
    np.testing.assert_allclose(head.fuse(parts), [[1.3991, 0, 0]], atol=5e-5)
    plain = SharedHead({"a": 2, "v": 2}, 3, by_certainty=False)
    np.testing.assert_allclose(plain.fuse(parts), [[1.25, 0, 0]])
    alone = {"a": torch.tensor([True]), "v": torch.tensor([False])}
    assert torch.equal(head.fuse(parts, alone), parts["a"])


def test_mean_embedding_is_of_the_rows_that_have_the_modality():
    h = torch.tensor([[1.0, 2], [3, 4], [1e30, 1e30]])
    here = torch.tensor([True, True, False])
    assert _mla.mean_embedding(h, torch.tensor([1.0, 3, 5]), here).tolist() == [2.5, 3.5]


def test_one_modality_is_plain_training():
    X, y = blobs(n=60, dims={"face": (5,)})
    plain = fit(None, X, y, fusion="late", unimodal_weight=0.0).net_.network.state_dict()
    for projection in ("batch", "recursive", "none"):
        ours = fit(MLA(projection=projection), X, y).net_.network.state_dict()
        ours = [v for k, v in ours.items() if not k.startswith("running.")]
        assert all(torch.equal(a, b) for a, b in zip(ours, plain.values(), strict=True))


class Snapshots(Callback):
    """The weights before each step of the optimiser."""

    def on_train_begin(self, net, **kwargs):
        self.taken = []

    def on_grad_computed(self, net, **kwargs):
        self.taken.append({k: v.clone() for k, v in net.network.state_dict().items()})


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_turn_moves_one_encoder_and_the_head(optimizer):
    X, y = blobs(n=64)
    clf = fit(MLA(), X, y, optimizer=optimizer, callbacks=[Snapshots()], lr=0.05)
    taken = dict(clf.net_.callbacks_)["Snapshots"].taken
    assert len(taken) == 3 * 4 * 2
    for k, (before, after) in enumerate(pairwise(taken)):
        moved = {key for key in before if not torch.equal(before[key], after[key])}
        name, other = ("face", "voice") if k % 2 == 0 else ("voice", "face")
        assert "fusion.head.weight" in moved
        assert any(f"m_{name}" in key for key in moved)
        assert not any(f"m_{other}" in key for key in moved)


def test_joint_update_is_the_sum_of_the_modalities_losses():
    X, y = blobs(n=60)
    clf = fit(MLA(update="joint"), X, y)
    rows = clf._rows_for_prediction(X)[1]
    inputs, codes = rows[:20][0], torch.from_numpy(y[:20])
    output = clf.net_.infer(inputs)
    loss = clf.net_.get_loss(output, codes, X=inputs, training=True)
    each = [torch.nn.functional.cross_entropy(z, codes) for z in output.unimodal.values()]
    torch.testing.assert_close(loss, sum(each))


def test_control_is_the_same_network_without_turns():
    clf = MultimodalClassifier(**FAST, balancing=MLA(entropy_fusion=False))
    clf.set_params(**clf.balancing.control())
    assert (
        clf.balancing.get_params()
        == MLA(entropy_fusion=False, projection="none", update="joint").get_params()
    )


@pytest.mark.parametrize("projection", ["batch", "recursive"])
def test_projection_changes_the_head_and_the_random_order_too(projection):
    X, y = blobs(n=60, dims={"a": (4,), "b": (3,), "c": (2,)})
    none = fit(MLA(projection="none"), X, y)
    assert not same_weights(fit(MLA(projection=projection), X, y), none)
    assert not same_weights(fit(MLA(projection="none", order="random"), X, y), none)


def test_recursion_is_kept_by_the_net_and_starts_anew_each_epoch():
    X, y = blobs(n=60)
    clf = fit(MLA(projection="recursive"), X, y)
    memory = clf.net_.running(clf.net_.methods[0])
    assert not torch.equal(memory.projection, torch.eye(4))
    clf.net_.methods[0].on_epoch_begin(clf.net_)
    assert torch.equal(memory.projection, torch.eye(4, dtype=memory.projection.dtype))


def test_rows_may_lack_modalities_and_sizes_may_differ():
    X, y = blobs(n=90)
    holes, _ = with_missing(X)

    class Wide(torch.nn.Linear):
        def __init__(self, input_shape):
            super().__init__(input_shape[0], 7)

    clf = fit(MLA(), holes, y, missing="mask", backbones={"voice": Wide}, max_epochs=10)
    assert clf.score(holes, y) > 0.6


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fusion": "film"}, r"`balancing` MLA\(\) needs `fusion` .*got 'film'"),
        ({"unimodal_weight": 0.5}, r"`balancing` MLA\(\) needs `unimodal_weight` .*got 0.5"),
        ({"optimizer": torch.optim.LBFGS, "weight_decay": 0}, r"`balancing` MLA\(\) cannot be had"),
    ],
)
def test_choices_that_it_cannot_use_are_refused(params, message):
    X, y = blobs(n=60)
    with pytest.raises(ValueError, match=message):
        fit(MLA(), X, y, **params)
    fit(MLA(), X, y, fusion="late", unimodal_weight=0)
