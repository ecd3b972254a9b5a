"""Successive halving inside one training: the worst half of a stack is given up on the way."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch

from ..networks import ModalityRows, mean_criterion
from ..neural import MultimodalNet


class Halving:
    """Compares the candidates of a stack after given epochs, and gives up the worse half.

    A candidate is as good as its mean loss on the rows that its folds are tested on, those folds
    included in which it has stopped by itself. Of an odd number the larger half goes on, and so
    does whoever has nothing left to train.

    Parameters
    ----------
    epochs : sequence of int
        After how many epochs.
    judged : mapping of MultimodalNet to tuple
        By net, the number of its candidate, and the rows to test it on, if there are any.

    Attributes
    ----------
    dropped : dict of int to int
        By candidate, after how many epochs it was given up.

    References
    ----------
    .. [1] Jamieson, Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
       Optimization", AISTATS 2016.
    """

    def __init__(
        self,
        epochs: Sequence[int],
        judged: Mapping[MultimodalNet, tuple[int, ModalityRows | None]],
    ):
        self.epochs = frozenset(epochs)
        self.judged = judged
        self.dropped: dict[int, int] = {}

    def given_up(
        self,
        nets: Sequence[MultimodalNet],
        training: Collection[MultimodalNet],
        n_epochs: int,
    ) -> Collection[MultimodalNet]:
        """Nets of one stack that are given up after so many epochs.

        `training` are those that are not at their end.
        """
        if n_epochs not in self.epochs:
            return ()
        losses: dict[int, list[float]] = {}
        for net in nets:
            candidate, rows = self.judged[net]
            if candidate not in self.dropped and rows is not None:
                losses.setdefault(candidate, []).append(_loss(net, rows))
        means = {candidate: float(np.mean(own)) for candidate, own in losses.items()}
        ranked = sorted(means, key=lambda candidate: (means[candidate], candidate))
        going_on = {self.judged[net][0] for net in training}
        worse = [k for k in ranked[math.ceil(len(ranked) / 2) :] if k in going_on]
        self.dropped |= dict.fromkeys(worse, n_epochs)
        return {net for net in nets if self.judged[net][0] in worse}


@torch.no_grad()
def _loss(net: MultimodalNet, rows: ModalityRows) -> float:
    """Mean loss of the fused model; infinite where it is no number."""
    logits = net.evaluate_rows(rows, unimodal=False).logits.to(rows.codes.device)
    loss = float(mean_criterion(net.criterion_, logits, rows.codes, rows.weight))
    return loss if math.isfinite(loss) else math.inf
