"""`MIDAS`: modalities of different rows are put together, and both rows' classes are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..base import CLASSES
from ..networks import (
    Batch,
    MultimodalOutput,
    mix_seeds,
    total,
    unimodal_losses,
    weighted_mean_loss,
)
from ._base import Balancing
from ._evidence import credits_of, rows_having
from ._pairs import all_pairs, random_pairs
from ._passes import fuse
from ._protocol import Net


class _Strengths(nn.Module):
    """What each modality's part in the labels of mixed rows is multiplied by."""

    def __init__(self, n_modalities: int):
        super().__init__()
        self.register_buffer("alpha", torch.ones(n_modalities))


@dataclass(kw_only=True, eq=False, repr=False)
class MIDAS(Balancing):
    r"""Misaligned rows: some modalities of a row come from another row, of another class.

    The fused classifier is to give both rows' classes, each as much as its modalities are sure of
    it, so that it cannot listen to one of them alone. With shares :math:`\tilde c_m` of the credits
    of all, the loss of a mixed row is

    .. math:: h \sum_m -\alpha_m \tilde c_m \log \tilde p[y_m],

    where :math:`y_m` is the class of the row that m is from, :math:`h = 1 + (1 + \cos) / 2` is
    larger for rows that look alike, and :math:`\alpha_m` grows while the modality with the least
    share gets less than that in the prediction. What is mixed are embeddings.

    Parameters
    ----------
    misaligned_weight : float, default=1.0
        Weight of the loss of mixed rows.
    weak_step : float, default=0.05
        How much :math:`\alpha` of the weakest modality moves in a batch; all are 1 at the start of
        an epoch.
    hard_weight : bool, default=True
        Whether there is :math:`h`; else 1.
    pairs : {"random", "all"}, default="random"
        Whether each row has one partner, or all rows of the batch, so that a weight of 2 is a row
        that stands twice.
    start_epoch : int or "auto", default="auto"
        First epoch with mixed rows and the fused loss: before, modalities learn by their own
        losses alone. "auto" is a tenth of `max_epochs`.
    stop_epoch : int, default=None
        First epoch without mixed rows again; None goes on to the end.

    Notes
    -----
    Modalities need classifiers of their own (`unimodal_weight` above 0), and ``y`` classes. Any
    fusion and any number of modalities will do: of more than two, which come from the other row is
    drawn for each batch (the authors draw a row for each modality). Pairs of equal class, and those
    that lack what is swapped, have no loss. With one modality this is plain training, after as
    plain a warm-up. ``history_`` gets ``face__credit_share`` and ``face__alpha``.

    References
    ----------
    .. [1] "MIDAS: Misalignment-based Data Augmentation Strategy for Imbalanced Multimodal
       Learning", NeurIPS 2025, arXiv 2509.25831.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import MIDAS
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=MIDAS(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    misaligned_weight: float = 1.0
    weak_step: float = 0.05
    hard_weight: bool = True
    pairs: str = "random"
    start_epoch: Any = "auto"
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "misaligned_weight": [Interval(Real, 0, None, closed="left")],
        "weak_step": [Interval(Real, 0, None, closed="left")],
        "hard_weight": ["boolean"],
        "pairs": [StrOptions({"random", "all"})],
        "start_epoch": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "unimodal_weight": 1.0}
    _other_unimodal_weights: ClassVar[str] = "positive"
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES,)
    _stacks: ClassVar[bool] = True
    _draws: ClassVar[bool] = True

    def control(self) -> dict[str, Any]:
        """The same warm-up, and no mixed rows."""
        return {"balancing": MIDAS(**{**self.get_params(), "misaligned_weight": 0.0})}

    def prepare(self, max_epochs: int) -> None:
        """A tenth of the epochs, unless said otherwise."""
        if self.start_epoch == "auto":
            self.start_epoch = max_epochs // 10

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """Strengths of 1."""
        return _Strengths(len(dims))

    def on_epoch_begin(self, net: Net) -> None:
        """All strengths are 1 again."""
        self._alpha(net).fill_(1)

    def _alpha(self, net: Net) -> Any:
        return net.running(self).alpha

    def replaces_loss(self, net: Net) -> bool:
        """In the warm-up, by the modalities' own."""
        return len(net.network.names) > 1 and self._warms_up(net)

    def _warms_up(self, net: Net) -> bool:
        return len(net.history) <= self.start_epoch

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Add the loss of mixed rows; in the warm-up, leave the fused loss out."""
        names, (X, y) = net.network.names, batch
        if len(names) == 1:
            return loss
        if self._warms_up(net):
            args = output.unimodal, y, X.get("weight"), X.get("present")
            own = unimodal_losses(net.criterion_, *args)
            return net.unimodal_weight * total(own)
        if not self.misaligned_weight or not self.acts(net):
            return loss
        return loss + self.misaligned_weight * self._mean_loss(net, output, batch)

    def _mean_loss(self, net: Net, output: MultimodalOutput, batch: Batch) -> Tensor:
        """Mean over all pairs, those without a loss too."""
        names, (X, y) = net.network.names, batch
        seed = mix_seeds(net.seed, len(net.history), net.batch_number)
        swapped = drawn_subset(seed, len(names))
        if self.pairs == "random":
            generator = torch.Generator(y.device).manual_seed(seed)
            i, j, weight = random_pairs(len(y), generator, X.get("weight"))
        else:
            i, j, weight = all_pairs(len(y), y.device, X.get("weight"))
        having, here, one, two = rows_having(batch, names), None, y[i], y[j]
        with torch.no_grad():
            credits = credits_of(net.criterion_, output.unimodal, y)
            told = one != two
            if having is not None:
                credits = torch.where(having, credits, 0)
                there, other = of_both(having[i], having[j], swapped), flags(swapped, y)
                told = told & (there & other).any(dim=1) & (there & ~other).any(dim=1)
                # a pair that has nothing passes for one with embeddings of zeros, and has no loss
                there[:, 0] |= ~there.any(dim=1)
                here = {name: there[:, k] for k, name in enumerate(names)}
            shares = credit_shares(of_both(credits[i], credits[j], swapped))
        mixed, looks = mixed_rows(output.embeddings or {}, swapped, i, j)
        logits = fuse(net, mixed, here, unimodal=False).logits
        truth = by_row(one, two, swapped)
        log_p = F.log_softmax(logits, dim=1).gather(1, truth)
        with torch.no_grad():
            share = told.to(log_p.dtype) if weight is None else torch.where(told, weight, 0)
            both = torch.stack([shares, shares - fused_shares(log_p, shares, swapped)])
            means, gaps = (share @ both) / share.sum().clamp_min(torch.finfo(share.dtype).tiny)
            alpha = next_strengths(self._alpha(net), means, gaps, self.weak_step)
            self._alpha(net).copy_(alpha)
        net.note_each("credit_share", means)
        net.note_each("alpha", alpha)
        losses = misaligned_losses(log_p, shares, alpha, looks if self.hard_weight else None)
        return weighted_mean_loss(losses, weight, told)


def drawn_subset(seed: int, n_modalities: int) -> list[bool]:
    """Which modalities come from the other row: one at least, and not all, by a number drawn."""
    kind = 1 + seed % (2**n_modalities - 2)
    return [bool(kind >> k & 1) for k in range(n_modalities)]


def mixed_rows(
    embeddings: Mapping[str, Tensor], swapped: Sequence[bool], i: Any, j: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """Embeddings of rows i with those swapped of rows j, and how alike are the swapped ones."""
    mixed, looks = {}, []
    for (name, u), other in zip(embeddings.items(), swapped, strict=True):
        mixed[name] = u[j if other else i]
        if other:
            looks.append(F.cosine_similarity(u.detach()[i], mixed[name].detach(), dim=1))
    return mixed, looks[0] if len(looks) == 1 else torch.stack(looks).mean(dim=0)


def by_row(one: Tensor, two: Tensor, swapped: Sequence[bool]) -> Tensor:
    """What each modality has of its row, of shape (n_pairs, n_modalities)."""
    return torch.stack([two if other else one for other in swapped], dim=1)


def of_both(first: Tensor, second: Tensor, swapped: Sequence[bool]) -> Tensor:
    """Columns of the first rows, those of swapped modalities of the second."""
    columns = zip(first.unbind(1), second.unbind(1), swapped, strict=True)
    return torch.stack([b if other else a for a, b, other in columns], dim=1)


def flags(swapped: Sequence[bool], like: Tensor) -> Tensor:
    """What is said in Python, on the device, without waiting for it."""
    return torch.stack([torch.full((), s, dtype=torch.bool, device=like.device) for s in swapped])


def credit_shares(credits: Tensor) -> Tensor:
    """Share of every modality in the credits of a mixed row, of shape (n_pairs, n_modalities)."""
    of_all = credits.sum(dim=1, keepdim=True)
    return credits / torch.where(of_all > 0, of_all, 1)


def fused_shares(log_p: Tensor, shares: Tensor, swapped: Sequence[bool]) -> Tensor:
    """Each modality's part of what the fused prediction gives to both classes.

    Parameters
    ----------
    log_p : Tensor of shape (n_pairs, n_modalities)
        Fused log-probability of the class of the row that each modality is from.
    shares : Tensor of shape (n_pairs, n_modalities)
        What `credit_shares` gave: the modalities of one row part its class by them.
    swapped : sequence of bool
        Which modalities are from the second row; one at least, and not all.
    """
    one, two = list(swapped).index(False), list(swapped).index(True)
    p = torch.stack([log_p[:, one], log_p[:, two]], dim=1).softmax(dim=1)
    columns = dict(enumerate(shares.unbind(1)))
    of_one = total({k: share for k, share in columns.items() if not swapped[k]})
    of_two = total({k: share for k, share in columns.items() if swapped[k]})
    of_row = by_row(of_one, of_two, swapped)
    parts = shares / torch.where(of_row > 0, of_row, 1)
    return by_row(p[:, 0], p[:, 1], swapped) * parts


def next_strengths(alpha: Tensor, shares: Tensor, gaps: Tensor, step: float) -> Tensor:
    """``max(1, alpha + step sign(gap))`` for the modality of the least share, 1 for others."""
    weakest = torch.arange(len(shares), device=shares.device) == shares.argmin()
    return torch.where(weakest, (alpha + step * gaps.sign().to(alpha.dtype)).clamp_min(1), 1)


def misaligned_losses(
    log_p: Tensor, shares: Tensor, alpha: Tensor, cosine: Tensor | None = None
) -> Tensor:
    """``h sum_m -alpha_m c_m log p[y_m]`` of each mixed row, ``h = 1 + (1 + cosine) / 2``."""
    losses = -(alpha.to(shares.dtype) * shares * log_p).sum(dim=1)
    return losses if cosine is None else losses * (1 + (1 + cosine) / 2)
