"""A training steps over the parameters of equal modalities as one, to the same result."""

import copy
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sk_mmbalance import Modalities, MultimodalClassifier
from sk_mmbalance.networks import (
    FEWEST,
    ByModality,
    ConcatFusion,
    JoinedParameters,
    MultimodalModule,
    make_backbones,
)

NAMES = [f"m{k:02d}" for k in range(FEWEST)]
OPTIMIZERS = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.01, fused=True),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
}


def network():
    torch.manual_seed(0)
    sizes = {"embedding_dim": 3, "hidden_layer_sizes": (5,)}
    built = make_backbones("auto", dict.fromkeys(NAMES, (3,)), torch.float64, **sizes)
    fusion = ConcatFusion(dict.fromkeys(NAMES, 3), 2)
    heads = {name: nn.Linear(3, 2) for name in NAMES}
    return MultimodalModule({m: b for m, (b, _) in built.items()}, fusion, heads).double()


def steps(module, optimizer, n, names=NAMES):
    inputs = {m: torch.full((2, 3), 0.1 + k, dtype=torch.float64) for k, m in enumerate(names)}
    for _ in range(n):
        optimizer.zero_grad()
        output = module(inputs)
        (output.logits.square().sum() + sum(z.sum() for z in output.unimodal.values())).backward()
        yield
        optimizer.step()


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_joined_and_released_it_is_where_the_plain_one_is(make):
    plain, joined = network(), network()
    a, b = make(plain.parameters()), make(joined.parameters())
    list(steps(plain, a, 2))
    list(steps(joined, b, 2))
    together = JoinedParameters(joined, b)
    assert len(b.param_groups[0]["params"]) == 4 + 1 + 1 + 2  # layers, fusion and its bias, heads
    list(steps(plain, a, 3))
    list(steps(joined, b, 3))
    for key, value in together.copied().items():
        torch.testing.assert_close(value, joined.state_dict()[key], rtol=0, atol=0)
    together.release()
    list(steps(plain, a, 2))
    list(steps(joined, b, 2))
    for (key, p), q in zip(plain.named_parameters(), joined.parameters(), strict=True):
        torch.testing.assert_close(q, p, msg=key)
        assert q.untyped_storage().nbytes() == q.numel() * 8
    found, wanted = b.state_dict(), a.state_dict()
    assert found["param_groups"] == wanted["param_groups"]
    torch.testing.assert_close(found["state"], wanted["state"])


def test_of_some_modalities_alone_the_others_are_left_alone():
    module = network()
    optimizer = OPTIMIZERS["adamw"](module.parameters())
    together = JoinedParameters(module, optimizer)
    list(steps(module, optimizer, 1))
    before = copy.deepcopy(module.state_dict())
    for _ in steps(module, optimizer, 1, NAMES[:2]):
        assert together.scattered()
        together.release()
    for key, value in module.state_dict().items():
        mine = any(name in key for name in NAMES[:2]) or key == "fusion.bias"
        assert bool((value != before[key]).any()) == mine, key


def test_gradients_of_both_ways_add_up():
    module = network()
    optimizer = OPTIMIZERS["sgd"](module.parameters())
    together = JoinedParameters(module, optimizer)
    for _ in steps(module, optimizer, 1):
        first = module.heads[NAMES[0]].bias
        first.sum().backward()
        together.release()
        assert first.grad.tolist() == [3, 3]  # two rows, and once by itself
        assert module.heads[NAMES[1]].bias.grad.tolist() == [2, 2]


def test_copies_and_pickles_stand_for_themselves():
    module = network()
    JoinedParameters(module, OPTIMIZERS["sgd"](module.parameters()))
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert all(not part.stacks for part in other.modules() if isinstance(part, ByModality))
        next(other.parameters()).data += 1
        inputs = {m: torch.ones(1, 3, dtype=torch.float64) for m in NAMES}
        assert (other(inputs).logits != module(inputs).logits).any()


@pytest.mark.parametrize("kind", ["frozen", "groups", "few"])
def test_what_is_not_alike_stays_apart(kind):
    module = network()
    parameters = list(module.parameters())
    if kind == "frozen":
        for p in parameters:
            p.requires_grad_(False)
        next(iter(module.fusion.parameters())).requires_grad_(True)
    groups = [{"params": parameters}]
    if kind == "groups":
        groups = [{"params": [p], "lr": 0.1 + k} for k, p in enumerate(parameters)]
    if kind == "few":
        module = module.backbones[NAMES[0]]
        groups = [{"params": list(module.parameters())}]
    assert not JoinedParameters(module, torch.optim.SGD(groups, lr=0.1))


class _Looking(Callback):
    """Sees that the optimiser holds what the network has."""

    def on_epoch_end(self, net, **kwargs):
        mine = {id(p) for p in net.network.parameters()}
        assert {id(p) for group in net.optimizer_.param_groups for p in group["params"]} == mine


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"optimizer": "sgd"}])
def test_a_fit_is_the_same_where_a_callback_looks(options, tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = Modalities({name: y[:, None] + rng.normal(size=(60, 3)) for name in NAMES})
    common = {"max_epochs": 3, "random_state": 0, "hidden_layer_sizes": (6,), **options}
    joined = MultimodalClassifier(**common).fit(X, y)
    looked = MultimodalClassifier(callbacks=[_Looking()], **common).fit(X, y)
    kept = MultimodalClassifier(checkpoint_dir=tmp_path, **common).fit(X, y)
    wanted = joined.predict_proba(X)
    np.testing.assert_allclose(looked.predict_proba(X), wanted, atol=1e-12)
    np.testing.assert_array_equal(kept.predict_proba(X), wanted)
    assert len(pickle.dumps(joined)) < 2 * len(pickle.dumps(looked))
    joined.set_params(warm_start=True).fit(X, y)
    assert joined.n_iter_ == 2 * looked.n_iter_ or "early_stopping" in options


class _Interrupting(dict):
    def __setitem__(self, key, value):
        raise KeyboardInterrupt


def test_interrupted_it_leaves_what_was_there():
    module, plain = network(), network()
    optimizer, other = (OPTIMIZERS["adamw"](m.parameters()) for m in (module, plain))
    list(steps(module, optimizer, 2))
    list(steps(plain, other, 4))
    module.heads.stacks = _Interrupting()
    with pytest.raises(KeyboardInterrupt):
        JoinedParameters(module, optimizer)
    assert not module.backbones.stacks
    list(steps(module, optimizer, 2))
    for p, q in zip(module.parameters(), plain.parameters(), strict=True):
        assert torch.equal(p, q)
    assert len(optimizer.state) == len(other.state)


class Counting(torch.optim.Optimizer):
    """Descent that slows down, and counts its steps in whole numbers."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    state["count"] = state.get("count", 0) + 1
                    p.data -= group["lr"] / state["count"] * p.grad


def test_what_an_optimiser_counts_in_numbers_goes_along():
    plain, joined = network(), network()
    a, b = Counting(plain.parameters()), Counting(joined.parameters())
    for module, optimizer in ((plain, a), (joined, b)):
        list(steps(module, optimizer, 2))
    together = JoinedParameters(joined, b)
    for module, optimizer in ((plain, a), (joined, b)):
        list(steps(module, optimizer, 1))
    together.release()
    assert {state["count"] for state in b.state.values()} == {3}
    for p, q in zip(plain.parameters(), joined.parameters(), strict=True):
        torch.testing.assert_close(q, p)


@pytest.mark.parametrize("make", [OPTIMIZERS["adamw"], Counting], ids=["tensors", "numbers"])
@pytest.mark.parametrize("before", [0, 2])
def test_parameters_that_took_other_steps_are_left_as_they_are(make, before):
    module = network()
    optimizer = make(module.parameters())
    list(steps(module, optimizer, before))
    list(steps(module, optimizer, 1, NAMES[:1]))  # of the first modality alone
    counts = [dict(optimizer.state[p]) for p in module.parameters()]
    together = JoinedParameters(module, optimizer)
    assert not together
    assert [dict(optimizer.state[p]) for p in module.parameters()] == counts
