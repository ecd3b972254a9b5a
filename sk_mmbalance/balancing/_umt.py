"""`UMT`: every encoder stays near one that was trained on its modality alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._sklearn import Interval
from ..base import CLASSES
from ..networks import (
    Batch,
    ByModality,
    ModalityRows,
    MultimodalModule,
    MultimodalOutput,
    make_fusion,
    weighted_mean_loss,
)
from ._base import Balancing
from ._parts_of_rows import rows_with
from ._protocol import Net


class _Teachers(nn.Module):
    """A network per modality, and which of them are trained."""

    def __init__(self, teachers: Mapping[str, nn.Module]):
        super().__init__()
        self.networks = ByModality(teachers)
        self.register_buffer("trained", torch.zeros(len(teachers), dtype=torch.bool))


@dataclass(kw_only=True, eq=False, repr=False)
class UMT(Balancing):
    r"""Uni-modal teachers: a network per modality is trained first, and teaches its encoder.

    The loss of the joint network gets
    :math:`\lambda \sum_m \operatorname{MSE}(u_m, t_m)`, the mean squared difference of its
    embeddings to those of the teachers, so that no encoder may become lazy beside a stronger one.

    Parameters
    ----------
    feature_weight : float, default=10.0
        Weight :math:`\lambda`.
    logit_weight : float, default=0.0
        Weight of the divergence of the fused prediction from that of each teacher (as in G2D [2]_).
    temperature : float, default=1.0
        Divides the logits in that divergence.
    teacher_epochs : int, default=None
        Epochs of the teachers; None is `max_epochs`. They stop early where the joint network does.
    start_epoch, stop_epoch : int, default=0, None
        First epoch with teachers, and the first without again; None goes on to the end.

    Attributes
    ----------
    teachers : dict of str to MultimodalModule
        In ``balancing_``: the teacher of each modality, with its own classifier.

    Notes
    -----
    Teachers have the backbones, initial weights, optimiser and seed of the joint network, are
    trained on its rows, and give their embeddings of these rows once: a fit takes about twice as
    long. `partial_fit` and ``warm_start`` keep the teachers of the first call. Rows that lack a
    modality have no term for it. With one modality this is plain training. ``history_`` gets
    ``face__teacher_distance``. Only code of a benchmark is published; unlike it, teachers are in
    evaluation mode.

    References
    ----------
    .. [1] Du et al., "On Uni-Modal Feature Learning in Supervised Multi-Modal Learning", ICML 2023.
    .. [2] Rakib, Bagavathi, "G2D: Boosting Multimodal Learning with Gradient-Guided Distillation",
       ICCV 2025, arXiv 2506.21514.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import UMT
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=UMT(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    >>> sorted(clf.balancing_.teachers) == clf.modality_names_
    True
    """

    feature_weight: float = 10.0
    logit_weight: float = 0.0
    temperature: float = 1.0
    teacher_epochs: Any = None
    start_epoch: int = 0
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "feature_weight": [Interval(Real, 0, None, closed="left")],
        "logit_weight": [Interval(Real, 0, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "teacher_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }
    _published_side: ClassVar[Mapping[str, Any]] = {"unimodal_weight": 0.0}

    def prepare(self, max_epochs: int) -> None:
        """As many epochs as the joint network, unless said otherwise."""
        self.teacher_epochs = self.teacher_epochs or max_epochs

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """Teachers, untrained."""
        return _Teachers(
            {
                name: MultimodalModule(
                    {name: copy.deepcopy(module.backbones[name])},
                    make_fusion("late", {name: dims[name]}, n_classes),
                    copied=module.copied & {name},
                )
                for name in module.names
            }
        )

    def on_train_begin(self, net: Net, rows: ModalityRows, valid: Any) -> ModalityRows:
        """Train the teachers that are not, and ask them about every row."""
        if not (self.feature_weight or self.logit_weight) or len(net.network.names) == 1:
            return rows
        state: Any = net.running(self)
        if not state.trained.any():
            for k, name in enumerate(net.network.names):
                theirs = rows_with(rows, name)
                watched = None if valid is None else rows_with(valid, name)
                if len(theirs):
                    watched = watched if watched is None or len(watched) else None
                    net.train_like(state.networks[name], theirs, watched, self.teacher_epochs)
                    state.trained[k] = True
        extras = dict(rows.extras)
        for k, name in enumerate(net.network.names):
            if state.trained[k]:
                embedding, logits = _ask(net, state.networks[name], rows, name)
                extras[f"{name}|teacher"], extras[f"{name}|teacher_logits"] = embedding, logits
        return replace(rows, extras=extras)

    def check_target(self, kind: str) -> None:
        """Refuse to compare the probabilities of what has none."""
        super().check_target(kind)
        if self.logit_weight and kind != CLASSES:
            raise ValueError(
                f"`balancing` UMT(logit_weight={self.logit_weight}) needs one class a row, and `y` "
                f"holds {kind}. Set logit_weight=0.0."
            )

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Add the distances to the teachers."""
        extras = batch[0].get("extras")
        if extras is None or not self.acts(net):
            return loss
        weight, present = batch[0].get("weight"), batch[0].get("present")
        for name, u in (output.embeddings or {}).items():
            if f"{name}|teacher" not in extras:
                continue
            here = None if present is None else present[name]
            if self.feature_weight:
                distance = mean_distance(u, extras[f"{name}|teacher"], weight, here)
                net.note({f"{name}__teacher_distance": distance.detach()})
                loss = loss + self.feature_weight * distance
            if self.logit_weight:
                told = extras[f"{name}|teacher_logits"]
                apart = divergences(told, output.logits, self.temperature)
                loss = loss + self.logit_weight * weighted_mean_loss(apart, weight, here)
        return loss

    def fitted(self, net: Net) -> dict[str, Any]:
        """The teachers."""
        state: Any = net.running(self)
        networks = zip(net.network.names, state.trained.tolist(), strict=True)
        return {"teachers": {name: state.networks[name] for name, trained in networks if trained}}


def mean_distance(u: Tensor, t: Tensor, weight: Tensor | None, here: Tensor | None) -> Tensor:
    """Mean over rows of `distances`."""
    if weight is None and here is None:
        return F.mse_loss(u, t)
    return weighted_mean_loss(distances(u, t), weight, here)


def distances(u: Tensor, t: Tensor) -> Tensor:
    """Mean squared difference of embeddings, row by row."""
    return (u - t).square().mean(dim=1)


def divergences(teacher: Tensor, fused: Tensor, temperature: float) -> Tensor:
    """``T^2 KL(p_teacher || p_fused)`` at temperature T, row by row."""
    told = F.log_softmax(teacher / temperature, dim=1)
    said = F.log_softmax(fused / temperature, dim=1)
    return temperature**2 * (told.exp() * (told - said)).sum(dim=1)


@torch.no_grad()
def _ask(net: Net, teacher: Any, rows: ModalityRows, name: str) -> tuple[Tensor, Tensor]:
    """Embedding and logits of all rows, in evaluation mode, where the rows are."""
    teacher.requires_grad_(False).eval()
    parts = []
    alone = replace(rows, inputs={name: rows.inputs[name]}, extras={})
    for X, _ in net.get_iterator(alone):
        with net.autocast():
            output = teacher(X["inputs"], X.get("present"))
        parts.append((output.embeddings[name], output.logits))
    embeddings, logits = (torch.cat(part) for part in zip(*parts, strict=True))
    home, wide = rows.codes.device, next(teacher.parameters()).dtype
    return embeddings.to(home, wide), logits.to(home, wide)
