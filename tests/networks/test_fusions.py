import pytest
import torch
from torch import nn

from sk_mmbalance.networks import FUSIONS, ConcatFusion, LateFusion, make_fusion

DIMS = {"a": 4, "b": 3, "c": 4}


def logits_of(fusion, embeddings, present=None):
    fused = fusion(embeddings, present)
    return fused[0] if isinstance(fused, tuple) else fused


@pytest.fixture
def embeddings():
    generator = torch.Generator().manual_seed(0)
    return {m: torch.randn(6, d, generator=generator) for m, d in DIMS.items()}


@pytest.fixture(params=sorted(FUSIONS))
def fusion(request):
    torch.manual_seed(0)
    return make_fusion(request.param, DIMS, 5)


def test_absent_rows_equal_modality_left_out(fusion, embeddings):
    """A mask over all rows of a modality does what leaving the modality out does."""
    present = {m: torch.full((6,), m != "b") for m in DIMS}
    masked = {m: u * present[m][:, None] for m, u in embeddings.items()}
    without = {m: u for m, u in embeddings.items() if m != "b"}
    torch.testing.assert_close(logits_of(fusion, masked, present), logits_of(fusion, without))


def test_full_mask_equals_no_mask(fusion, embeddings):
    present = {m: torch.ones(6, dtype=torch.bool) for m in DIMS}
    torch.testing.assert_close(
        logits_of(fusion, embeddings, present), logits_of(fusion, embeddings)
    )


def test_rows_are_independent(fusion, embeddings):
    present = {m: torch.tensor([True, m != "a", m != "b", True, m == "c", True]) for m in DIMS}
    masked = {m: u * present[m][:, None] for m, u in embeddings.items()}
    whole = logits_of(fusion, masked, present)
    for row in range(6):
        one = {m: u[row : row + 1] for m, u in masked.items()}
        mask = {m: p[row : row + 1] for m, p in present.items()}
        torch.testing.assert_close(logits_of(fusion, one, mask), whole[row : row + 1])


def test_single_modality_works(fusion, embeddings):
    assert torch.isfinite(logits_of(fusion, {"c": embeddings["c"]})).all()


def test_every_parameter_is_trained(fusion, embeddings):
    logits_of(fusion, embeddings).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in fusion.parameters())


def test_concat_is_a_linear_layer_on_the_concatenation(embeddings):
    fusion = ConcatFusion(DIMS, 5)
    weight = torch.cat([fusion.maps[m].weight for m in sorted(DIMS)], dim=1)
    together = torch.cat([embeddings[m] for m in sorted(DIMS)], dim=1)
    expected = nn.functional.linear(together, weight, fusion.bias)
    torch.testing.assert_close(logits_of(fusion, embeddings), expected)


def test_concat_starts_as_a_linear_layer_does():
    """Every block has the bound of the concatenated layer, not its own."""
    fusion = ConcatFusion({"a": 10, "b": 90}, 1000)
    for name in ("a", "b"):
        assert 0.095 < fusion.maps[name].weight.abs().max() <= 0.1


def test_late_renormalises_weights_over_modalities_present(embeddings):
    fusion = LateFusion(DIMS, 5, weights={"a": 1.0, "b": 2.0, "c": 5.0})
    z = {m: fusion.heads[m](u) for m, u in embeddings.items()}
    torch.testing.assert_close(
        logits_of(fusion, embeddings), (z["a"] + 2 * z["b"] + 5 * z["c"]) / 8
    )
    present = {m: torch.full((6,), m != "c") for m in DIMS}
    torch.testing.assert_close(logits_of(fusion, embeddings, present), (z["a"] + 2 * z["b"]) / 3)


def test_unimodal_logits_of_late_are_its_heads(embeddings):
    fusion = LateFusion(DIMS, 5)
    _, parts = fusion(embeddings, None)
    torch.testing.assert_close(parts["b"], fusion.heads["b"](embeddings["b"]))


def test_unknown_fusion_is_named():
    with pytest.raises(ValueError, match="`fusion` must be one of"):
        make_fusion("attention", DIMS, 5)
    with pytest.raises(TypeError, match="`fusion` must be one of"):
        make_fusion(3, DIMS, 5)


@pytest.mark.parametrize("fusion", ["concat", "sum"])
@pytest.mark.parametrize("dims", [{"a": 3, "b": 3}, {"a": 4, "b": 2, "c": 3}])
def test_terms_add_up_to_the_fused_logits_row_by_row(fusion, dims):
    made = make_fusion(fusion, dims, 3).double()
    generator = torch.Generator().manual_seed(0)
    u = {m: torch.randn(6, d, generator=generator, dtype=torch.float64) for m, d in dims.items()}
    torch.testing.assert_close(sum(made.terms(u).values()), made(u)[0])
    present = {m: torch.tensor([True, True, True, k == 0, k == 1, True]) for k, m in enumerate(u)}
    u = {m: v.masked_fill(~present[m][:, None], 0) for m, v in u.items()}
    torch.testing.assert_close(sum(made.terms(u, present).values()), made(u, present)[0])
    assert not made.terms(u, present)["b"][3].any()  # who is absent says nothing


def test_weights_of_a_late_fusion_can_be_set_anew():
    fusion = make_fusion("late", {"a": 2, "b": 2}, 3)
    u = {m: torch.ones(1, 2) for m in ("a", "b")}
    fusion.set_weights({"a": 3.0, "b": 1.0})
    parts = fusion.terms(u)
    torch.testing.assert_close(fusion(u)[0], 0.75 * parts["a"] + 0.25 * parts["b"])
    fusion.set_weights(None)
    torch.testing.assert_close(fusion(u)[0], (parts["a"] + parts["b"]) / 2)
