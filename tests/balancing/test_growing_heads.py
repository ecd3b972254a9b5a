"""Heads that grow: their logits, their seeds, and weights across head counts."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sk_mmbalance.balancing import GrowingHeads
from sk_mmbalance.balancing._sustained_boosting import boosting_losses

DIMS = {"face": 5, "voice": 3}


def make(n_heads=1, combine="mean", shared=True, weights=None, train_new=True, seed=0, dims=None):
    torch.manual_seed(seed)
    return GrowingHeads(
        dims or DIMS,
        4,
        width=6,
        shared=shared,
        n_heads=n_heads,
        combine=combine,
        weights=weights,
        train_new=train_new,
    ).double()


@pytest.fixture
def embeddings():
    generator = torch.Generator().manual_seed(1)
    return {m: torch.randn(7, d, generator=generator, dtype=torch.float64) for m, d in DIMS.items()}


@pytest.fixture
def codes():
    return torch.tensor([0, 1, 2, 3, 0, 1, 2])


CE = nn.CrossEntropyLoss(reduction="none")

# -- the loss --------------------------------------------------------------------------------


def test_residual_loss_is_cross_entropy_with_a_target_shrunk_by_what_is_known(codes):
    generator = torch.Generator().manual_seed(0)
    previous, newest = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    q = previous.softmax(1)[torch.arange(7), codes]
    e_res = boosting_losses(CE, previous, newest, codes, 0.3)
    e_res = e_res - CE(previous + newest, codes) - CE(previous, codes)
    soft = nn.functional.one_hot(codes, 4) * (1 - 0.3 * q)[:, None]
    torch.testing.assert_close(e_res, (1 - 0.3 * q) * CE(newest, codes))
    torch.testing.assert_close(e_res, -(soft * newest.log_softmax(1)).sum(1))


def test_zero_residual_weight_gives_three_plain_cross_entropies(codes):
    previous, newest = torch.randn(
        2, 7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    expected = CE(previous + newest, codes) + CE(previous, codes) + CE(newest, codes)
    torch.testing.assert_close(boosting_losses(CE, previous, newest, codes, 0.0), expected)


def test_single_head_has_one_cross_entropy(codes):
    newest = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(boosting_losses(CE, None, newest, codes, 0.5), CE(newest, codes))


def test_what_is_known_has_no_gradient(codes):
    """The gradient with respect to the earlier logits is that of the two other terms alone."""
    previous, newest = torch.randn(
        2, 7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    previous.requires_grad_()
    got = torch.autograd.grad(
        boosting_losses(CE, previous, newest, codes, 1.0).sum(), previous, retain_graph=True
    )[0]
    others = CE(previous + newest, codes) + CE(previous, codes)
    torch.testing.assert_close(got, torch.autograd.grad(others.sum(), previous)[0])


def test_terms_reach_the_heads_they_concern(embeddings, codes):
    heads = make(n_heads={"face": 3, "voice": 1})
    previous, newest = heads.split("face", embeddings["face"])
    older, last = list(heads.hidden["face"])[:2], heads.hidden["face"][2]
    from_newest = torch.autograd.grad(
        CE(newest, codes).sum(), [h.weight for h in older], retain_graph=True, allow_unused=True
    )
    assert from_newest == (None, None)
    (from_previous,) = torch.autograd.grad(
        CE(previous, codes).sum(), [last.weight], retain_graph=True, allow_unused=True
    )
    assert from_previous is None
    everything = CE(previous + newest, codes).sum()
    reached = torch.autograd.grad(everything, [h.weight for h in heads.hidden["face"]])
    assert all(bool(g.abs().sum() > 0) for g in reached)


# -- logits ----------------------------------------------------------------------------------


def test_total_is_one_product_of_the_summed_hidden_layers(embeddings):
    heads = make(n_heads=3)
    nn.init.normal_(heads.outputs[""].bias)
    u = embeddings["face"]
    each = [heads.outputs[""](torch.relu(h(u))) for h in heads.hidden["face"]]
    torch.testing.assert_close(heads.total("face", u), sum(each))
    previous, newest = heads.split("face", u)
    torch.testing.assert_close(previous, each[0] + each[1])
    torch.testing.assert_close(newest, each[2])
    torch.testing.assert_close(heads.total("face", u, 2), previous)


def test_mean_fusion_of_copies_of_a_head_equals_one_head(embeddings):
    one, many = make(), make(n_heads={"face": 3, "voice": 1})
    many.load_state_dict(one.state_dict() | {"n_heads": many.n_heads}, strict=False)
    for head in many.hidden["face"]:
        head.load_state_dict(one.hidden["face"][0].state_dict())
    torch.testing.assert_close(many(embeddings)[0], one(embeddings)[0])
    many.combine = "sum"
    assert not torch.allclose(many(embeddings)[0], one(embeddings)[0])


def test_fusion_weights_are_renormalised_over_what_is_present(embeddings):
    heads = make(weights={"face": 3.0, "voice": 1.0})
    present = {"face": torch.ones(7, dtype=torch.bool), "voice": torch.arange(7) < 4}
    fused, own = heads(embeddings, present)
    torch.testing.assert_close(fused[:4], (0.75 * own["face"] + 0.25 * own["voice"])[:4])
    torch.testing.assert_close(fused[4:], own["face"][4:])


def test_stage_beyond_a_modalitys_heads_takes_all_of_them(embeddings):
    heads = make(n_heads={"face": 3, "voice": 1})
    fused, _ = heads(embeddings, None, 2)
    expected = (
        heads.total("face", embeddings["face"], 2) / 2 + heads.total("voice", embeddings["voice"])
    ) / 2
    torch.testing.assert_close(fused, expected)


def test_own_output_layers_are_not_shared():
    assert len(make(shared=True).outputs) == 1
    assert list(make(shared=False).outputs) == ["face", "voice"]


# -- growing ---------------------------------------------------------------------------------


def test_head_does_not_depend_on_when_it_is_added():
    early, late = make(n_heads=2), make()
    late.add_head("voice")
    late.add_head("face")
    for name in DIMS:
        assert torch.equal(early.hidden[name][1].weight, late.hidden[name][1].weight)
    assert late.counts() == {"face": 2, "voice": 2}
    assert late.n_heads.tolist() == [2, 2]


def test_heads_of_other_modalities_indices_and_seeds_differ():
    heads = make(n_heads=2, dims={"face": 5, "voice": 5})
    other = make(n_heads=2, dims={"face": 5, "voice": 5}, seed=1)
    drawn = [h.weight for m in ("face", "voice") for h in heads.hidden[m]]
    drawn += [h.weight for h in other.hidden["face"]]
    for i, a in enumerate(drawn):
        assert not any(torch.equal(a, b) for b in drawn[i + 1 :])


def test_growing_leaves_global_random_state_alone():
    heads = make()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    heads.add_head("face")
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_new_head_has_the_dtype_of_the_others_and_zero_bias():
    heads = make()
    heads.add_head("face")
    assert heads.hidden["face"][1].weight.dtype == torch.float64
    assert not heads.hidden["face"][1].bias.any()


def test_untrained_new_heads_are_frozen_but_first_ones_are_not():
    heads = make(train_new=False)
    heads.add_head("face")
    assert [h.weight.requires_grad for h in heads.hidden["face"]] == [True, False]


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 2)])
def test_weights_load_across_head_counts(before, after, embeddings):
    target, source = make(n_heads=before, seed=5), make(n_heads={"face": after, "voice": 1})
    target.load_state_dict(copy.deepcopy(source.state_dict()))
    assert target.counts() == {"face": after, "voice": 1}
    torch.testing.assert_close(target(embeddings)[0], source(embeddings)[0], rtol=0, atol=0)


def test_copy_grows_on_its_own():
    heads = make()
    twin = copy.deepcopy(heads)
    twin.add_head("face")
    assert heads.counts()["face"] == 1
    twin.load_state_dict(heads.state_dict())
    assert twin.counts()["face"] == 1


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("combine", ["mean", "sum"])
def test_shares_of_the_modalities_add_up_to_the_fused_logits(embeddings, combine, missing):
    heads = make(n_heads=2, combine=combine, weights={"face": 1.0, "voice": 3.0})
    heads.add_head("face")
    totals = {m: heads.total(m, u) for m, u in embeddings.items()}
    present = None
    if missing:
        have = torch.tensor([True, False, True, False, True, True, True])
        present = {"face": have, "voice": ~have | (torch.arange(7) > 3)}
    shares = heads.shares(totals, present)
    added = sum(shares[m] * z for m, z in totals.items())
    torch.testing.assert_close(added, heads.fuse(totals, present))
