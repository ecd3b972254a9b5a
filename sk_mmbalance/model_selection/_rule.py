"""Whether a stack is faster than its networks one after another: a rule on sizes alone.

Nothing is timed, so that the same search takes the same path, and gives the same result, on any
machine that has the memory for it (see `_memory`). The figures are microseconds on one core, of
which only the ratio counts, fitted to ``benchmarks/search.py steps`` when no step was written down
yet, as none of a method is now. Written-down steps of small networks take half of that; for them
the rule is a cautious one, which a training of few steps needs.
"""

from __future__ import annotations

from typing import Any

from ..balancing import hooks_of
from ..neural import Training
from ._captured import knows
from ._one_of_many import OUTSIDE
from ._stackable import cuts_batches
from ._trial import products_of

#: A step of one network: whatever its size, for a million products, for a million weights.
ALONE, ALONE_PER_PRODUCTS, ALONE_PER_WEIGHTS = 1170.0, 72.0, 1680.0

#: A step of a stack: whatever its size; then for each network, and for a million of its own.
STACK, STACKED, STACKED_PER_PRODUCTS, STACKED_PER_WEIGHTS = 3800.0, 250.0, 100.0, 2000.0

#: What a method does net by net after a step of the stack, for each network.
BY_NET = 250.0

#: A stack has to be faster by this factor to be worth its memory.
LEAST_GAIN = 1.1


def gain(
    products: float, weights: float, n_networks: int, by_net: bool = False, n_groups: int = 1
) -> float:
    """How much faster a stack is expected to be.

    Parameters
    ----------
    products : float
        Multiplications of one network on one batch, forward.
    weights : float
        Numbers that one network trains.
    n_networks : int
        Networks in the stack.
    by_net : bool, default=False
        Whether a method has something to do with every network by itself.
    n_groups : int, default=1
        Groups of networks, each of which takes a step of its own.
    """
    products, weights = products / 1e6, weights / 1e6
    alone = ALONE + ALONE_PER_PRODUCTS * products + ALONE_PER_WEIGHTS * weights
    own = STACKED + STACKED_PER_PRODUCTS * products + STACKED_PER_WEIGHTS * weights
    return alone / (STACK * n_groups / n_networks + own + BY_NET * by_net)


def stacked_seconds(training: Training) -> float:
    """Reckoned seconds of a network's part in the training of a stack."""
    weights = sum(p.numel() for p in training.net.network.parameters() if p.requires_grad) / 1e6
    try:
        products = products_of(training) / 1e6
    except Exception:  # a network that fails does so where the search says what becomes of it
        return 0.0
    step = STACKED + STACKED_PER_PRODUCTS * products + STACKED_PER_WEIGHTS * weights
    n_steps = -(-len(training.rows) // training.net.batch_size)
    return 1e-6 * step * n_steps * training.n_epochs


def pays(training: Training, n_networks: int) -> bool:
    """Whether networks like that of a training are trained as a stack."""
    weights = sum(p.numel() for p in training.net.network.parameters() if p.requires_grad)
    try:
        products = products_of(training)
    except Exception:  # a network that fails does so where the search says what becomes of it
        return False
    hooks = hooks_of(training.net.methods)
    by_net, n_groups = any(hooks[name] for name in OUTSIDE), 1
    if cuts_batches(training.net.methods):
        # at worst there is a group for every modality, or for every network where batches cannot be
        # filled up, in all epochs; the look at all rows and the order of each are its own
        network: Any = training.net.network
        known = knows(network, training.net.criterion_)
        by_net, n_groups = True, min(n_networks, len(network.names)) if known else n_networks
    return gain(products, weights, n_networks, by_net, n_groups) >= LEAST_GAIN
