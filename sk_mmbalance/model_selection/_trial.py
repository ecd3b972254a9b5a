"""What a network does in a step, seen on a copy of it: nothing of a fit is touched by that."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from sklearn.utils import check_random_state
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from ..networks import Draws, MultimodalOutput, learning, may_draw, mean_criterion
from ..neural import Training


def products_of(training: Training) -> float:
    """Multiplications of the network on one batch, forward."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        _pass(training)
    return counter.get_total_flops() / 2  # which counts an addition for every multiplication


def draws_at_random(training: Training) -> bool:
    """Whether network or loss draw in a step; what nobody knows to draw nothing is tried."""
    net = training.net
    if not (may_draw(net.network) or may_draw(net.criterion_)):
        return False
    with _numpy_and_python_aside() as before, _Watching() as watching:
        try:
            output = _pass(training)
            _, y = _batch(training)
            mean_criterion(copy.deepcopy(net.criterion_), output.logits, y, None)
        except Exception:  # a network that fails does so where the search says what becomes of it
            return watching.drew
        return watching.drew or before != _states()


def _pass(training: Training) -> MultimodalOutput:
    network: Any = copy.deepcopy(training.net.network).train()
    X, _ = _batch(training)
    with learning(), Draws(training.net.seed).of_everything():
        return network(X["inputs"], X.get("present"))


def _batch(training: Training) -> Any:
    return training.rows[: training.net.batch_size]


class _Watching(TorchDispatchMode):
    """Notes whether any operator of torch draws."""

    def __init__(self) -> None:
        super().__init__()
        self.drew = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.drew |= torch.Tag.nondeterministic_seeded in func.tags
        return func(*args, **(kwargs or {}))


def _states() -> tuple[Any, ...]:
    """Where the global generators of Python and of numpy stand."""
    kind, keys, *rest = check_random_state(None).get_state()
    return random.getstate(), kind, keys.tobytes(), *rest


@contextmanager
def _numpy_and_python_aside() -> Iterator[tuple[Any, ...]]:
    """What is drawn from their global generators inside is drawn again afterwards."""
    numpys = check_random_state(None)
    of_python, of_numpy = random.getstate(), numpys.get_state()
    try:
        yield _states()
    finally:
        random.setstate(of_python)
        numpys.set_state(of_numpy)
