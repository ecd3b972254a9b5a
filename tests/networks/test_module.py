import pickle

import pytest
import torch
from torch import nn

from sk_mmbalance.networks import FUSIONS, ByModality, MultimodalModule, make_fusion

SHAPES = {"a": 4, "b": 3}


def make(fusion="concat", heads=False):
    torch.manual_seed(0)
    return MultimodalModule(
        {m: nn.Sequential(nn.Linear(d, 5), nn.ReLU()) for m, d in SHAPES.items()},
        make_fusion(fusion, dict.fromkeys(SHAPES, 5), 3),
        {m: nn.Linear(5, 3) for m in SHAPES} if heads else None,
    )


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    inputs = {m: torch.randn(6, d, generator=generator) for m, d in SHAPES.items()}
    present = {
        "a": torch.tensor([1, 1, 1, 0, 0, 1]).bool(),
        "b": torch.tensor([1, 0, 1, 1, 1, 0]).bool(),
    }
    return inputs, present


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
@pytest.mark.parametrize("filling", [1e30, float("nan"), float("inf")])
def test_what_stands_in_absent_rows_changes_no_bit(fusion, filling, batch):
    inputs, present = batch
    results = []
    for value in (0.0, filling):
        module = make(fusion, heads=True)
        x = {m: torch.where(present[m][:, None], v, value) for m, v in inputs.items()}
        out = module(x, present)
        loss = out.logits.logsumexp(dim=1).sum()
        for name, z in out.unimodal.items():
            loss = loss + torch.where(present[name], z.logsumexp(dim=1), 0).sum()
        loss.backward()
        results.append((out.logits, loss, [p.grad for p in module.parameters()]))
    (z0, loss0, grads0), (z1, loss1, grads1) = results
    assert torch.equal(z0, z1)
    assert torch.equal(loss0, loss1)
    for g0, g1 in zip(grads0, grads1, strict=True):
        assert (g0 is None and g1 is None) or torch.equal(g0, g1)


def test_unimodal_logits_without_heads_mask_the_others(batch):
    inputs, _ = batch
    module = make()
    out = module(inputs)
    for name in SHAPES:
        only = module({name: inputs[name]}, None)
        torch.testing.assert_close(out.unimodal[name], only.logits)
        assert not out.unimodal[name].requires_grad


def test_a_backbone_that_is_not_run_gets_no_gradient(batch):
    inputs, _ = batch
    module = make()
    module({"a": inputs["a"]}).logits.sum().backward()
    assert all(p.grad is None for p in module.backbones["b"].parameters())
    assert module.fusion.maps["b"].weight.grad is None


@pytest.mark.parametrize("name", ["type", "a.b", "keys", "50%", "weight", "forward"])
def test_any_modality_name_may_name_a_module(name):
    modules = ByModality({name: nn.Linear(2, 2), "other": nn.ReLU()})
    assert isinstance(modules[name], nn.Linear)
    assert name in modules
    assert len(modules) == 2


def test_names_that_differ_only_in_escaped_characters_stay_apart():
    modules = ByModality({"a.b": nn.Linear(1, 1), "a%2Eb": nn.Linear(2, 2)})
    assert modules["a.b"].in_features == 1


def test_networks_pickled_before_there_were_encodings_have_none(batch):
    inputs, present = batch
    module = make(heads=True)
    expected = module(inputs, present).logits
    del module._modules["encodings"]
    again = pickle.loads(pickle.dumps(module))
    assert list(again.encodings) == []
    assert torch.equal(again(inputs, present).logits, expected)


def test_parts_that_are_none_have_no_mode(batch):
    class Optional(nn.Linear):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.register_module("norm", None)
            self.drop = nn.Dropout(0.5)

    module = make("concat", heads=True)
    module.backbones = ByModality({name: Optional(d, 4) for name, d in SHAPES.items()})
    for mode in (False, True):
        module.train(mode)
        assert {part.training for part in module.modules()} == {mode}
