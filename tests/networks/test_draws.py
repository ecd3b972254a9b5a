"""What torch draws is drawn from generators of our own, with the numbers that torch would give."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sk_mmbalance.networks import Draws, Dropout, aside, has_dropout, make_fusion, may_draw

DIMS = {"a": 8, "b": 8}


def weights_of(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def through(module):
    return module(torch.ones(3, 4, 8))


WAYS_TO_DRAW = {
    "linear": lambda: weights_of(nn.Linear(4, 3)),
    "convolution": lambda: weights_of(nn.Conv2d(2, 3, 3)),
    "gru": lambda: weights_of(nn.GRU(3, 4)),
    "embedding": lambda: weights_of(nn.Embedding(5, 4)),
    "transformer": lambda: weights_of(make_fusion("transformer", DIMS, 3)),
    "rand": lambda: torch.rand(3, 2),
    "randn": lambda: torch.randn(3, dtype=torch.float64),
    "randint": lambda: torch.randint(9, (40,)),
    "randint from": lambda: torch.randint(5, 9, (40,)),
    "randperm": lambda: torch.randperm(20),
    "rand_like": lambda: torch.rand_like(torch.ones(4)),
    "randn_like": lambda: torch.randn_like(torch.ones(4)),
    "randint_like": lambda: torch.randint_like(torch.ones(4), 9),
    "normal": lambda: torch.normal(torch.zeros(4), torch.ones(4)),
    "bernoulli": lambda: torch.bernoulli(torch.full((30,), 0.5)),
    "multinomial": lambda: torch.multinomial(torch.ones(9), 20, replacement=True),
    "in place": lambda: torch.ones(4).exponential_() + torch.ones(4).log_normal_(),
    "distribution": lambda: torch.distributions.Gamma(2.0, torch.ones(3)).sample(),
    "dropout": lambda: F.dropout(torch.ones(50)),
    "dropout of channels": lambda: F.dropout1d(torch.ones(9, 4, 2)),
    "alpha dropout": lambda: F.alpha_dropout(torch.ones(50), training=True),
    "rrelu": lambda: F.rrelu(-torch.ones(9), training=True),
    "gumbel": lambda: F.gumbel_softmax(torch.zeros(4)),
    "attention": lambda: F.scaled_dot_product_attention(
        *torch.ones(3, 2, 4, 8).unbind(), dropout_p=0.5
    ),
    "attention layer": lambda: through(nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)),
    "recurrent dropout": lambda: through(nn.GRU(8, 8, 2, dropout=0.5))[0],
    "without gradient": lambda: torch.inference_mode()(lambda: F.dropout(torch.ones(50)))(),
}

every_way = pytest.mark.parametrize("draw", WAYS_TO_DRAW.values(), ids=WAYS_TO_DRAW)


def as_torch_draws(draw, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return draw().detach().clone()


@every_way
def test_numbers_are_those_of_torch_and_torch_draws_none(draw):
    expected = as_torch_draws(draw, 7)
    assert not torch.equal(expected, as_torch_draws(draw, 8))
    before = torch.get_rng_state()
    with Draws(7).of_everything():
        drawn = draw().detach()
    assert torch.equal(drawn, expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_go_on_from_one_context_to_the_next():
    draws = Draws(3)
    with draws.of_everything():
        first = torch.rand(2)
    with draws.of_torch(torch.device("cpu")):
        second = torch.rand(2)
    with draws.of_everything():
        third = torch.rand(2)
    expected = as_torch_draws(lambda: torch.cat([torch.rand(2) for _ in range(3)]), 3)
    assert torch.equal(torch.cat([first, second, third]), expected)


def test_a_generator_that_is_named_is_used():
    own = torch.Generator().manual_seed(1)
    with Draws(3).of_everything():
        drawn, other = torch.rand(3, generator=own), torch.rand(2)
    assert torch.equal(other, as_torch_draws(lambda: torch.rand(2), 3))
    assert torch.equal(drawn, as_torch_draws(lambda: torch.rand(3), 1))


def test_what_is_drawn_aside_changes_nothing_afterwards():
    def two():
        with aside():
            extra = torch.rand(1)
        return extra, torch.rand(2)

    with Draws(3).of_everything():
        extra, drawn = two()
    assert torch.equal(extra, as_torch_draws(lambda: torch.rand(1), 3))
    assert torch.equal(drawn, as_torch_draws(lambda: torch.rand(2), 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("p", [0.2, 0.5, 1.0])
def test_our_dropout_is_torchs(dtype, p):
    x = torch.linspace(1, 2, 60, dtype=dtype).reshape(6, 10).requires_grad_()
    expected = as_torch_draws(lambda: F.dropout(x, p), 7)
    before = torch.get_rng_state()
    with Draws(7).of_ours():
        dropped = Dropout(p)(x)
    assert torch.equal(dropped, expected)
    assert torch.equal(torch.get_rng_state(), before)
    (slope,) = torch.autograd.grad(dropped.sum(), x)
    assert torch.equal(slope == 0, dropped == 0)


def test_our_dropout_outside_of_a_training_draws_from_torch():
    assert torch.equal(
        as_torch_draws(lambda: Dropout(0.5)(torch.ones(50)), 7),
        as_torch_draws(lambda: F.dropout(torch.ones(50)), 7),
    )
    assert torch.equal(Dropout(0.5).eval()(torch.ones(5)), torch.ones(5))


@pytest.mark.parametrize("context", ["of_everything", "of_ours", "of_torch"])
def test_threads_draw_their_own_numbers(context):
    start, n = Barrier(4), 200
    layer = Dropout(0.5)

    def draw(seed):
        draws = Draws(seed)
        given = [torch.device("cpu")] if context == "of_torch" else []
        start.wait()
        with getattr(draws, context)(*given):
            return torch.stack([layer(torch.ones(9)) for _ in range(n)])

    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(draw, range(4)))
    assert torch.equal(torch.get_rng_state(), before)
    for seed, drawn in enumerate(found):
        expected = as_torch_draws(
            lambda: torch.stack([layer(torch.ones(9)) for _ in range(n)]), seed
        )
        assert torch.equal(drawn, expected)


def test_an_error_inside_leaves_nothing_behind():
    def interrupted(context):
        with context:
            torch.rand(2)
            raise KeyboardInterrupt

    before = torch.get_rng_state()
    for context in (Draws(3).of_everything(), Draws(3).of_torch(torch.device("cpu"))):
        with pytest.raises(KeyboardInterrupt):
            interrupted(context)
    assert torch.equal(torch.get_rng_state(), before)
    after = torch.rand(2)
    torch.set_rng_state(before)
    assert torch.equal(after, torch.rand(2))


class OfTheUser(nn.Module):
    def forward(self, x):
        return F.dropout(x)


def hooked():
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda *given: torch.rand(1))
    return layer


@pytest.mark.parametrize(
    ("module", "draws", "drops"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.BatchNorm1d(2)), False, False),
        (nn.Sequential(nn.Linear(2, 2), Dropout(0.5)), False, True),
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)), True, True),
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.0)), False, False),
        (nn.GRU(2, 2, 2), False, False),
        (nn.GRU(2, 2, 2, dropout=0.1), True, False),
        (nn.MultiheadAttention(4, 2, dropout=0.1), True, False),
        (make_fusion("transformer", DIMS, 3), False, False),
        (make_fusion("transformer", DIMS, 3, dropout=0.1), True, True),
        (nn.RReLU(), True, False),
        (nn.Sequential(OfTheUser()), True, False),
        (hooked(), True, False),
    ],
)
def test_what_is_not_known_to_be_quiet_may_draw(module, draws, drops):
    assert may_draw(module) == draws
    assert has_dropout(module) == drops
