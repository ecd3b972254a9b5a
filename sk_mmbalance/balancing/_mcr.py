"""`MCR`: encoders compete for the say in the fused prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..base import CLASSES, LABELS
from ..networks import Batch, LateFusion, MultimodalOutput, Presence, mix_seeds, weighted_mean
from ._base import Balancing
from ._evidence import rows_having
from ._pairs import Pairs, all_pairs, random_pairs
from ._passes import wide
from ._protocol import Net

#: What a rival's say is worth to an encoder.
STRATEGIES = {"greedy": -1.0, "independent": 0.0, "collaborative": 1.0}

#: Divides cosines in the contrastive loss, as published.
CONTRAST_TEMPERATURE = 0.5


@dataclass(kw_only=True, eq=False, repr=False)
class MCR(Balancing):
    r"""Multimodal competition regulariser.

    The say :math:`J_m` of a modality is how much the fused prediction changes, by the
    Jensen-Shannon divergence, when its embedding is that of another row. Each encoder is a player
    that is rewarded by :math:`\lambda` times its own say and, as the strategy has it, fined or
    rewarded for that of its rivals.

    Parameters
    ----------
    competition_weight : float, default=0.1
        Weight :math:`\lambda`. Of 1 no good is known.
    strategy : {"greedy", "independent", "collaborative"}, default="greedy"
        Whether a player is fined for the say of its rivals (their mean), indifferent, or rewarded.
    n_permutations : int or "all", default=1
        How many other rows each row's embedding is exchanged with; "all" are those of the batch,
        each with its weight.
    contrastive_weight : float, default=0.0
        Weight of a supervised contrastive loss between the modalities' embeddings (published: 1),
        which draws together those of one class; for embeddings of one size, and classes.
    start_epoch, stop_epoch : int, default=0, None
        First epoch with competition, and the first without again; None goes on to the end.

    Notes
    -----
    Of the fusions "concat", "sum" and "late", a player has its encoder and its part of the fusion;
    of others the encoder alone. An embedding is exchanged only with one of a row that has the
    modality too. ``train_loss`` leaves the regulariser out: the players' aims have no sum. Targets
    are classes or labels, of any number of modalities; with one this is plain training.
    ``history_`` gets ``face__say``. The authors start from trained encoders (hence their
    ``unimodal_weight=0.01``, in `published_estimator`); their bottleneck, which they found to hurt
    others, is left out. Their released code computes the regulariser and does not use it.

    References
    ----------
    .. [1] Kontras, Strypsteen, Chatzichristos, Liang, Blaschko, De Vos, "Balancing Multimodal
       Training Through Game-Theoretic Regularization", NeurIPS 2025, arXiv 2411.07335.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import MCR
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=MCR(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    competition_weight: float = 0.1
    strategy: str = "greedy"
    n_permutations: Any = 1
    contrastive_weight: float = 0.0
    start_epoch: int = 0
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "competition_weight": [Interval(Real, 0, None, closed="left")],
        "strategy": [StrOptions(set(STRATEGIES))],
        "n_permutations": [Interval(Integral, 1, None, closed="left"), StrOptions({"all"})],
        "contrastive_weight": [Interval(Real, 0, None, closed="left")],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }
    _published: ClassVar[Mapping[str, Any]] = {"n_permutations": 32, "contrastive_weight": 1.0}
    _published_side: ClassVar[Mapping[str, Any]] = {"unimodal_weight": 0.01}
    _unimodal_weight: ClassVar[float] = 0.5
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES, LABELS)
    _stacks: ClassVar[bool] = True
    _draws: ClassVar[bool] = True

    def control(self) -> dict[str, Any]:
        """No competition; what is contrasted stays."""
        value = MCR(**{**self.get_params(), "competition_weight": 0.0})
        return {**super().control(), "balancing": value if self.contrastive_weight else None}

    def check_target(self, kind: str) -> None:
        """Refuse to contrast what has several labels."""
        super().check_target(kind)
        if self.contrastive_weight and kind != CLASSES:
            raise ValueError(
                f"`balancing` MCR(contrastive_weight={self.contrastive_weight}) needs one class a "
                f"row, and `y` holds {kind}. Set contrastive_weight=0.0."
            )

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """Nothing; but embeddings that are contrasted must have one size."""
        if self.contrastive_weight and len(set(dims.values())) > 1:
            raise ValueError(
                f"`balancing` MCR(contrastive_weight={self.contrastive_weight}) compares "
                f"embeddings, and theirs are of sizes {dict(dims)}. Use `backbones` with outputs "
                "of one size, or contrastive_weight=0.0."
            )
        return None

    def check_net(self, net: Net) -> None:
        """Refuse an optimiser that searches along one loss."""
        self._refuse_closure(net)

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Add the players' aims, without changing the value."""
        names = net.network.names
        if len(names) == 1 or not self.acts(net):
            return loss
        if self.contrastive_weight:
            loss = loss + self.contrastive_weight * self._contrast(output, batch)
        if not self.competition_weight:
            return loss
        says = self._says(net, output, batch)
        total = says.sum()
        net.note_each("say", says.detach())
        return loss + self.competition_weight * (total - total.detach())

    def _contrast(self, output: MultimodalOutput, batch: Batch) -> Tensor:
        """Mean over the ordered pairs of modalities."""
        (X, y), embeddings = batch, output.embeddings or {}
        present, losses = X.get("present"), []
        for m, k in permutations(embeddings, 2):
            here = None if present is None else (present[m], present[k])
            losses.append(contrastive_loss(embeddings[m], embeddings[k], y, X.get("weight"), here))
        return torch.stack(losses).mean()

    def _says(self, net: Net, output: MultimodalOutput, batch: Batch) -> Tensor:
        """Mean change of the prediction by each modality; rows without a partner have none."""
        names, (X, y) = net.network.names, batch
        having, weight = rows_having(batch, names), X.get("weight")
        pairs: list[tuple[int, Any, Any]] = [
            (k, here, each)
            for k, here in enumerate([None] * len(names) if having is None else having.unbind(1))
            for each in self._pairs(net, k, y, weight, here)
        ]
        parts, predict = parts_of(net, output)
        turned = turned_parts(parts, STRATEGIES[self.strategy])
        as_it_is, moved = {}, {}
        for m, (name, c) in enumerate(turned.items()):  # all in one pass of the fusion
            as_it_is[name] = torch.cat([c[k][each.first] for k, _, each in pairs])
            moved[name] = torch.cat(
                [c[k][each.second if k == m else each.first] for k, _, each in pairs]
            )
        present = None
        if "present" in X:
            present = {
                m: torch.cat([p[e.first] for _, _, e in pairs]) for m, p in X["present"].items()
            }
        changes = jensen_shannon(
            *(log_chances(predict(each, present), y.ndim) for each in (as_it_is, moved))
        ).view(len(names), -1)
        if having is None and weight is None:
            return changes.mean(dim=1)
        of_pair = torch.ones_like(changes)
        if weight is not None:
            of_pair = torch.cat([e.weight for _, _, e in pairs]).to(changes).view_as(changes)
        if having is None:
            return (of_pair * changes).sum(dim=1) / of_pair.sum(dim=1)
        told = torch.cat([here[e.first] & here[e.second] for _, here, e in pairs])
        of_pair = torch.where(told.view_as(changes), of_pair, 0)
        total = of_pair.sum(dim=1)
        shares = row_shares(having.to(changes.dtype), weight)
        return shares * (of_pair * changes).sum(dim=1) / torch.where(total > 0, total, 1)

    def _pairs(self, net: Net, k: int, y: Tensor, weight: Any, here: Any) -> list[Pairs]:
        if self.n_permutations == "all":
            return [all_pairs(len(y), y.device, weight)]
        place = (net.seed, len(net.history), net.batch_number, k)
        generator = torch.Generator(y.device).manual_seed(mix_seeds(*place))
        return [random_pairs(len(y), generator, weight, here) for _ in range(self.n_permutations)]


def turned_parts(parts: Mapping[str, Tensor], reward: float) -> dict[str, Tensor]:
    """What belongs to each player, once for each say: the same values, with other gradients.

    Parameters
    ----------
    parts : mapping of str to Tensor of shape (batch, size_m)
        What belongs to each player.
    reward : float
        What the mean say of the rivals is worth to a player, compared with its own.

    Returns
    -------
    dict of str to Tensor of shape (n_modalities, batch, size_m)
        ``[k]`` is for the say of modality k: gradients are multiplied by -1 in its own part, and
        by ``-reward / (n_modalities - 1)`` in those of its rivals.
    """
    n, turned = len(parts), {}
    for k, (name, c) in enumerate(parts.items()):
        rates = c.new_full((n, 1, 1), -reward / (n - 1))
        rates[k].fill_(-1)
        turned[name] = torch.lerp(c.detach(), c, rates)
    return turned


def row_shares(having: Tensor, weight: Tensor | None) -> Tensor:
    """Share of the rows, by their weights, that have each modality."""
    return having.mean(dim=0) if weight is None else (weight @ having) / weight.sum()


def parts_of(net: Net, output: MultimodalOutput) -> tuple[dict[str, Tensor], Callable[..., Tensor]]:
    """What belongs to each player, and how a prediction is made of it."""
    fusion: Any = net.network.fusion
    embeddings = output.embeddings or {}
    if not hasattr(fusion, "terms"):
        fixed = {key: p.detach() for key, p in fusion.named_parameters()}

        def fused(parts: dict[str, Tensor], present: Presence) -> Tensor:
            training = fusion.training
            fusion.eval()  # draws nothing, and leaves statistics of batches alone
            with net.autocast():
                made = torch.func.functional_call(fusion, fixed, (parts, present))
            fusion.train(training)
            return wide(net, {"": made[0] if isinstance(made, tuple) else made})[""]

        return embeddings, fused
    with net.autocast():
        terms = wide(net, fusion.terms(embeddings))
    if isinstance(fusion, LateFusion):
        return terms, lambda parts, present: weighted_mean(parts, fusion.weights, present)
    return terms, lambda parts, present: torch.stack(list(parts.values())).sum(dim=0)


def log_chances(logits: Tensor, target_ndim: int) -> Tensor:
    """Log-probabilities along the last axis: of the classes, or of each label being 1 and 0."""
    if target_ndim == 1:
        return F.log_softmax(logits, dim=1)
    return torch.stack([F.logsigmoid(logits), F.logsigmoid(-logits)], dim=2)


def jensen_shannon(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Divergence of two predictions row by row, at most ln 2; of several labels the mean."""
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    each = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
    total = each.sum(dim=-1) / 2
    return total if total.ndim == 1 else total.mean(dim=1)


def contrastive_loss(
    u: Tensor,
    v: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    here: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """How little the embeddings of one modality point to those of the same class in another.

    Parameters
    ----------
    u, v : Tensor of shape (batch, size)
        Embeddings; a row of `u` chooses among those of `v`, by their cosine.
    y : Tensor of shape (batch,)
        Classes.
    weight : Tensor of shape (batch,), default=None
        Weights of the rows, which choose and are chosen by them.
    here : pair of Tensor of bool of shape (batch,), default=None
        Rows that have the first modality, and the second. A row that does not choose, or has none
        of its class to choose, adds nothing to the mean.
    """
    weight = torch.ones_like(u[:, 0]) if weight is None else weight
    choosing, chosen = (
        (weight, weight) if here is None else (torch.where(h, weight, 0) for h in here)
    )
    likeness = F.normalize(u, dim=1) @ F.normalize(v, dim=1).t() / CONTRAST_TEMPERATURE
    likeness = likeness.to(weight.dtype)
    # rows that cannot be chosen have no weight in the sum: their logarithm is as low as can be
    total = torch.logsumexp(
        likeness + chosen.clamp_min(torch.finfo(chosen.dtype).tiny).log(), dim=1
    )
    same = (y[:, None] == y[None, :]) * chosen
    count = same.sum(dim=1)
    mean = (same * likeness).sum(dim=1) / torch.where(count > 0, count, 1)
    return (choosing * torch.where(count > 0, total - mean, 0)).sum() / weight.sum()
