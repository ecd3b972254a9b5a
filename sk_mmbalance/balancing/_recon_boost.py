"""`ReconBoost`: modalities train in turn on what the others do not know, then all together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from .._sklearn import Interval
from ..networks import (
    Batch,
    MultimodalOutput,
    unimodal_losses,
    weighted_mean,
    weighted_mean_loss,
)
from ._base import Balancing, Step
from ._protocol import Net


@dataclass(kw_only=True, eq=False, repr=False)
class ReconBoost(Balancing):
    r"""ReconBoost: each modality is boosted against the others, and all are reconciled.

    Epochs go in rounds. In a stage one modality trains alone, with the weight
    :math:`1 - \rho q_i` on row i, where :math:`q_i` is the credit of the other modalities' fused
    prediction: what they know already counts less. Then all train jointly. The next round is the
    next modality's.

    Parameters
    ----------
    residual_weight : float in [0, 1], default=0.2
        How much less: :math:`\rho`.
    stage_epochs : int, default=1
        Epochs in which the modality of the round trains alone.
    joint_epochs : int, default=1
        Epochs in which all train, after each stage.
    pretrain_epochs : int, default=0
        First epochs, in which each modality trains by its own loss.

    Notes
    -----
    The fusion is "late", so that a modality is an encoder with its own head. While one trains, the
    others answer without dropout, and no weight of theirs moves. A row without any other modality
    has q = 0. An epoch is one pass over the rows in any phase; a stage costs less than a joint
    epoch, a round of all modalities ``n_modalities (stage_epochs + joint_epochs)`` epochs. Give
    early stopping the patience for that: the loss it watches goes up and down with the rounds. Any
    kind of target and any number of modalities will do; with one this is plain training.
    ``history_`` gets ``face__trained`` and, in the modality's stages, ``face__row_weight``, its
    mean.

    The released code starts from trained networks (`pretrain_epochs`), adds up logits and learns a
    factor of the sum, and has a constant factor of the losses of a stage; with a mean of linear
    heads, and Adam, neither says anything new. Its agreement term has no gradient.

    References
    ----------
    .. [1] Hua, Xu, Bao, Yang, Huang, "ReconBoost: Boosting Can Achieve Modality Reconcilement",
       ICML 2024.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import ReconBoost
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=ReconBoost(), max_epochs=8, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    residual_weight: float = 0.2
    stage_epochs: int = 1
    joint_epochs: int = 1
    pretrain_epochs: int = 0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "residual_weight": [Interval(Real, 0, 1, closed="both")],
        "stage_epochs": [Interval(Integral, 1, None, closed="left")],
        "joint_epochs": [Interval(Integral, 0, None, closed="left")],
        "pretrain_epochs": [Interval(Integral, 0, None, closed="left")],
    }
    _published: ClassVar[Mapping[str, Any]] = {"stage_epochs": 4, "joint_epochs": 4}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd"}
    _fusion: ClassVar[str] = "late"
    _fusions: ClassVar[frozenset[str] | None] = frozenset({"late"})
    _unimodal_weight: ClassVar[float] = 0.0

    def control(self) -> dict[str, Any]:
        """The same rounds, all rows alike."""
        return {"balancing": ReconBoost(**{**self.get_params(), "residual_weight": 0.0})}

    def check_net(self, net: Net) -> None:
        """Refuse an optimiser that cannot leave weights alone."""
        self._refuse_closure(net)

    # -- who trains ------------------------------------------------------------------------

    def _pretrains(self, net: Net) -> bool:
        early = len(net.history) <= self.pretrain_epochs
        return early and len(net.network.names) > 1 and self.acts(net)

    def _alone(self, net: Net) -> str | None:
        """The modality that trains alone in this epoch, if one does."""
        names = net.network.names
        epoch = len(net.history) - 1 - self.pretrain_epochs
        if epoch < 0 or len(names) == 1 or not self.acts(net):
            return None
        return turn(epoch, names, self.stage_epochs, self.joint_epochs)

    def needs_own_logits(self, net: Net) -> bool:
        """For their losses."""
        return self._pretrains(net)

    # -- training --------------------------------------------------------------------------

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """The sum of the modalities' losses, at first."""
        if not self._pretrains(net):
            return loss
        X, y = batch
        own = unimodal_losses(net.criterion_, output.unimodal, y, X.get("weight"), X.get("present"))
        return torch.stack(list(own.values())).sum()

    def gradients(self, net: Net, batch: Batch) -> Step | None:
        """Those of one modality, in its stage."""
        name = self._alone(net)
        if name is None:
            return None
        X, y = batch
        weight, present = X.get("weight"), X.get("present")
        fusion: Any = net.network.fusion
        logits = self._others(net, batch, name)
        with net.autocast():
            own = fusion.heads[name](net.network.encode(_only(X, name), present)[name])
        own = own.float() if net.amp else own
        row_weights = self._row_weights(net, logits, batch)
        losses = row_weights * net.criterion_(own, y)
        loss = weighted_mean_loss(losses, weight, None if present is None else present[name])
        loss.backward()
        logits = {m: own.detach() if m == name else logits[m] for m in net.network.names}
        net.note({f"{name}__row_weight": weighted_mean_loss(row_weights, weight)})
        fused = weighted_mean(logits, fusion.weights, present)
        return {"loss": loss.detach(), "y_pred": MultimodalOutput(fused, logits)}

    @torch.no_grad()
    def _others(self, net: Net, batch: Batch, name: str) -> dict[str, Tensor]:
        """Logits of the other modalities, in evaluation mode."""
        X, network = batch[0], net.network
        fusion: Any = network.fusion
        logits = {}
        for m in network.names:
            if m != name:
                backbone = network.backbones[m].eval()
                with net.autocast():
                    z = fusion.heads[m](network.encode(_only(X, m), X.get("present"))[m])
                backbone.train()
                logits[m] = z.float() if net.amp else z
        return logits

    @torch.no_grad()
    def _row_weights(self, net: Net, others: dict[str, Tensor], batch: Batch) -> Tensor:
        X, y = batch
        fusion: Any = net.network.fusion
        present = X.get("present")
        known = net.criterion_.credit(weighted_mean(others, fusion.weights, present), y)
        if present is not None:
            known = torch.where(torch.stack([present[m] for m in others]).any(dim=0), known, 0)
        return row_weights(known, self.residual_weight)

    def on_epoch_end(self, net: Net) -> None:
        """Record who trained."""
        alone = self._alone(net)
        for name in net.network.names:
            net.history.record(f"{name}__trained", alone is None or alone == name)


def row_weights(known: Tensor, residual_weight: float) -> Tensor:
    """``1 - rho q`` of each row."""
    return 1 - residual_weight * known


def turn(epoch: int, names: list[str], stage: int, joint: int) -> str | None:
    """Whose stage an epoch is in, counted from 0 on; None where all train."""
    round_, place = divmod(epoch, stage + joint)
    return names[round_ % len(names)] if place < stage else None


def _only(X: dict[str, Any], name: str) -> dict[str, Tensor]:
    return {name: X["inputs"][name]}
