import copy

import pytest
import torch
from torch import nn

from sk_mmbalance.networks import ByModality, has_plain_state, load_state


def made(statistics=False):
    layers = [nn.Linear(2, 3), nn.BatchNorm1d(3) if statistics else nn.ReLU()]
    return ByModality({"a": nn.Sequential(*layers), "b": nn.Linear(2, 1)})


@pytest.mark.parametrize("statistics", [False, True])
def test_weights_are_those_that_torch_loads(statistics):
    source, target = made(statistics), made(statistics)
    before = copy.deepcopy(target.state_dict())
    state = {key: value + 1 for key, value in source.state_dict().items()}
    assert has_plain_state(target) == (not statistics)
    load_state(target, state)
    for key, value in target.state_dict().items():
        assert torch.equal(value, state[key])
        assert not torch.equal(value, before[key])


def test_part_of_the_weights_leaves_the_rest():
    target = made()
    before = copy.deepcopy(target.state_dict())
    load_state(target, {"m_b.bias": torch.tensor([7.0])}, strict=False)
    assert target["b"].bias.item() == 7
    assert torch.equal(target["b"].weight, before["m_b.weight"])


@pytest.mark.parametrize("wrong", ["missing", "unknown", "shape"])
def test_what_does_not_fit_is_refused_in_torchs_words(wrong):
    target = made()
    state = dict(copy.deepcopy(target.state_dict()))
    if wrong == "missing":
        del state["m_b.bias"]
    elif wrong == "unknown":
        state["m_c.bias"] = torch.zeros(1)
    else:
        state["m_b.bias"] = torch.zeros(2)
    with pytest.raises(RuntimeError, match="m_c" if wrong == "unknown" else r"m_b\.bias"):
        load_state(target, state)
