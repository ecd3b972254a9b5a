"""`AMCo`: a modality that the prediction depends on is shown in part (adaptive masks)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..base import CLASSES, LABELS
from ..networks import Batch, LabelLoss, MultimodalOutput, mix_seeds
from ._base import Balancing
from ._evidence import heads_of, own_logits, row_means, rows_having
from ._protocol import Net


class _Dependence(nn.Module):
    """Which modalities the last batch depended on."""

    def __init__(self, n_modalities: int):
        super().__init__()
        self.register_buffer("dependent", torch.zeros(n_modalities, dtype=torch.bool))


@dataclass(kw_only=True, eq=False, repr=False)
class AMCo(Balancing):
    r"""Adaptive mask co-optimisation: what the prediction depends on is masked in part.

    A modality's dependence is its mean share in the softmax over the logits of all modalities side
    by side. Where it exceeded `threshold` in the last batch, random features of its embedding are
    set to zero for the fused classifier in this one, :math:`p = s \sin(\frac\pi2 \min(1, e / r))`
    of them in epoch e, from 0 on. The modality's own loss sees all features and keeps it from
    degrading.

    Parameters
    ----------
    threshold : float, default=0.5
        Dependence above which a modality is masked; 1 masks none.
    max_share : float, default=0.5
        Largest share :math:`s` of its features that is masked.
    ramp_epochs : int, default=10
        Number :math:`r` of epochs in which the share grows to that.
    masked : {"dependent", "all"}, default="dependent"
        "all" masks every modality, with p divided by their number: the control.
    own_logits : {"heads", "share"}, default="heads"
        Where the logits come from by which dependence is told: the modality's own classifier where
        one is trained, or (published) its part of the fused classifier.

    Notes
    -----
    One mask is drawn for a batch; the first batch of an epoch goes by the last of the epoch before.
    Masked features are not made up for by a scale, and nothing is masked in prediction. Rows that
    lack a modality are left out where dependence is told; a modality of which a batch has no row
    has none. Of several labels each has two states; numbers have no softmax. Any fusion will do;
    with one modality this is plain training. ``history_`` gets ``face__dependence`` and
    ``face__masked``, the mean share of masked features. Only code of a benchmark is published. It
    masks logits, adds a layer to their sum, and grows the share per batch instead of per epoch, so
    that it masks whole modalities in every other batch of most epochs; `published` has its largest
    share alone.

    References
    ----------
    .. [1] Zhou, Liang, Zheng, Xuan, Kumada, "Adaptive Mask Co-optimization for Modal Dependence in
       Multimodal Learning", ICASSP 2023.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import AMCo
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=AMCo(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    threshold: float = 0.5
    max_share: float = 0.5
    ramp_epochs: int = 10
    masked: str = "dependent"
    own_logits: str = "heads"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "max_share": [Interval(Real, 0, 1, closed="both")],
        "ramp_epochs": [Interval(Integral, 1, None, closed="left")],
        "masked": [StrOptions({"dependent", "all"})],
        "own_logits": [StrOptions({"heads", "share"})],
    }
    _published: ClassVar[Mapping[str, Any]] = {"max_share": 1.0, "own_logits": "share"}
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES, LABELS)
    _stacks: ClassVar[bool] = True
    _draws: ClassVar[bool] = True

    def control(self) -> dict[str, Any]:
        """All modalities masked alike."""
        return {"balancing": AMCo(**{**self.get_params(), "masked": "all"})}

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """Nothing is known of dependence so far."""
        return _Dependence(len(dims))

    def _state(self, net: Net) -> Any:
        return net.running(self)

    def _takes_part(self, net: Net) -> bool:
        wanted = self.max_share > 0 and (self.threshold < 1 or self.masked == "all")
        return wanted and len(net.network.names) > 1 and self.acts(net)

    def needs_own_logits(self, net: Net) -> bool:
        """Where they are looked at."""
        return self.own_logits == "heads" and net.network.has_own_logits and self._takes_part(net)

    def forward(self, net: Net, batch: Batch, unimodal: bool) -> MultimodalOutput | None:
        """Fuse what is left of each embedding; the modalities' own logits are of the whole."""
        share = self._share_of_now(net) if self._takes_part(net) else 0.0
        if not share:
            return None
        names, network, X = net.network.names, net.network, batch[0]
        present, dependent = X.get("present"), self._state(net).dependent
        place = (net.seed, len(net.history), net.batch_number)
        generator = torch.Generator(dependent.device).manual_seed(mix_seeds(*place))
        if self.masked == "all":
            share, dependent = share / len(names), torch.ones_like(dependent)
        with net.autocast():
            embeddings = network.encode(X["inputs"], present)
            less, masked = {}, {}
            for k, name in enumerate(names):
                hidden = random_entries(embeddings[name].shape[1], share, generator) & dependent[k]
                less[name] = embeddings[name].masked_fill(hidden, 0)
                masked[f"{name}__masked"] = hidden.sum() / len(hidden)
            logits = network.fuse(less, present, unimodal=False).logits
            own = heads_of(network, embeddings, present) if unimodal else {}
        net.note(masked)
        if net.amp:
            logits, own = logits.float(), {m: z.float() for m, z in own.items()}
        return MultimodalOutput(logits, own, embeddings)

    def _share_of_now(self, net: Net) -> float:
        return share_of_epoch(len(net.history) - 1, self.max_share, self.ramp_epochs)

    @torch.no_grad()
    def after_backward(self, net: Net, batch: Batch, output: MultimodalOutput) -> None:
        """Tell what this batch depends on."""
        if not self._takes_part(net):
            return
        names = net.network.names
        logits = own_logits(net, output, batch, self.own_logits)
        stacked = torch.stack([logits[m] for m in names], dim=1)
        energies = energies_of(net.criterion_, stacked)
        shares = dependence(energies, rows_having(batch, names), batch[0].get("weight"))
        self._state(net).dependent.copy_(shares > self.threshold)
        net.note_each("dependence", shares)


def share_of_epoch(epoch: int, most: float, ramp: int) -> float:
    """``most sin(pi / 2 min(1, epoch / ramp))``."""
    return most * math.sin(0.5 * math.pi * min(1.0, epoch / ramp))


def random_entries(size: int, share: float, generator: torch.Generator) -> Tensor:
    """Which ``floor(share size)`` of `size` features are drawn, of shape (size,)."""
    number = int(share * size + 1e-9)
    order = torch.rand(size, generator=generator, device=generator.device).argsort()
    return order < number


def energies_of(criterion: Any, logits: Tensor) -> Tensor:
    """``log sum exp`` of the logits of each modality, the mean over labels.

    `logits` have shape (batch, n_modalities, n_classes). A label's two states have half its logit
    and minus half.
    """
    if isinstance(criterion, LabelLoss):
        return torch.logaddexp(logits / 2, -logits / 2).mean(dim=2)
    return logits.logsumexp(dim=2)


def dependence(
    energies: Tensor, present: Tensor | None = None, weight: Tensor | None = None
) -> Tensor:
    """Mean over rows of the softmax over modalities, of shape (n_modalities,).

    The rows are those that have every modality of which the batch has a row.
    """
    if present is None:
        return row_means(energies.softmax(dim=1), None, weight)
    there = present.any(dim=0)
    shares = energies.masked_fill(~there, torch.finfo(energies.dtype).min).softmax(dim=1)
    complete = (present | ~there).all(dim=1)
    shares = torch.where(there, shares, 0)
    return row_means(shares, complete[:, None].expand_as(shares), weight)
