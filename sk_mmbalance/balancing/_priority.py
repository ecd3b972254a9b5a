"""`Priority`: some encoders learn faster than others, by a rule that is chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..base import NUMBERS
from ..networks import Batch, MultimodalOutput, mix_seeds
from ._evidence import own_logits, rows_having
from ._modulation import Modulation
from ._protocol import Net

#: The least share of all entropy that a modality passes for, times the number of modalities.
LEAST_DOUBT = 0.6


class _Spread(nn.Module):
    """Mean entropy and size of each modality's logits in the last epoch."""

    def __init__(self, n_modalities: int):
        super().__init__()
        self.register_buffer("doubts", torch.zeros(n_modalities))
        self.register_buffer("sizes", torch.zeros(n_modalities))


@dataclass(kw_only=True, eq=False, repr=False)
class Priority(Modulation):
    r"""Modality priority: the strong modality leads, or the weak one, by a rule that is chosen.

    Some methods let the best modality learn faster (PDMP [1]_), some the weakest first (G2D [2]_),
    some the one on which the prediction depends less than its certainty deserves (ARL [3]_). Here
    it is one mechanism, a factor on what each encoder learns in an epoch, and a rule.

    Parameters
    ----------
    rule : {"strongest", "weakest_first", "variance", "random"}, default="strongest"
        "strongest" gives `factor` to the modality with the highest credit, 1 to the others;
        "random" gives it to one that is drawn anew every epoch; "variance" has the factor
        :math:`1 + c_m`, where :math:`c` is the softmax of
        :math:`T w_m (1 - n_m) / (M - 1)`, :math:`w_m` is inverse to the entropy of the modality's
        logits and :math:`n_m` is their share of the size of all. These are scaled to a mean of 1.
        "weakest_first" trains, up to half of `max_epochs`, the encoder of the weakest alone, then
        those of the two weakest, and so on.
    factor : float, default=2.0
        Factor of the modality that leads; below 1 it is held back.
    temperature : float, default=8.0
        :math:`T`.
    own_logits : {"heads", "share"}, default="heads"
        Whose logits "variance" looks at: those of the modality's own classifier where one is
        trained, or its part of the fused classifier.
    scale : {"auto", "gradient", "step"}, default="auto"
        What is scaled: the gradient (published), or the step that the optimiser makes of it (ours).
        Optimisers of Adam's kind undo a constant factor on the gradient, so "auto" scales their
        steps, and the gradients of others.
    start_epoch, stop_epoch : int, default=5, None
        First epoch with factors, and the first without again; None goes on to the end.

    Notes
    -----
    Who is strong is settled at the start of every epoch by ``history_``: the mean credit in the
    last epoch on the rows held out, or, where there are none, on those trained on. Ties go by name.
    A factor of 0 leaves an encoder as it is, decay and momentum too. Any fusion and any number of
    modalities will do, and any kind of target, save that "variance" needs classes or labels. With
    one modality this is plain training. ``history_`` gets ``face__factor``. `published` is ARL,
    whose released code computes these coefficients and then uses none.

    References
    ----------
    .. [1] PDMP, arXiv 2604.05773.
    .. [2] Rakib, Bagavathi, "G2D: Boosting Multimodal Learning with Gradient-Guided Distillation",
       ICCV 2025, arXiv 2506.21514.
    .. [3] Wei, Luo, Luo, "Improving Multimodal Learning via Imbalanced Learning" (ARL), ICCV 2025,
       arXiv 2507.10203.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import Priority
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> value = Priority(start_epoch=1)
    >>> clf = MultimodalClassifier(balancing=value, max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    rule: str = "strongest"
    factor: float = 2.0
    temperature: float = 8.0
    own_logits: str = "heads"
    start_epoch: int = 5

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Modulation._parameter_constraints,
        "rule": [StrOptions({"strongest", "weakest_first", "variance", "random"})],
        "factor": [Interval(Real, 0, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="left")],
        "own_logits": [StrOptions({"heads", "share"})],
    }
    _published: ClassVar[Mapping[str, Any]] = {
        "rule": "variance",
        "scale": "gradient",
        "start_epoch": 6,
    }
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "unimodal_weight": 4.0}
    _unimodal_weight: ClassVar[float] = 0.5

    def prepare(self, max_epochs: int) -> None:
        """Settle when all are trained."""
        self._half = max_epochs // 2

    def check_target(self, kind: str) -> None:
        """Refuse to ask numbers how sure they are."""
        super().check_target(kind)
        if self.rule == "variance" and kind == NUMBERS:
            raise ValueError(
                "`balancing` Priority(rule='variance') needs entropies, and `y` holds numbers. Use "
                "another rule."
            )

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """Nothing is known so far."""
        return _Spread(len(dims))

    def needs_own_logits(self, net: Net) -> bool:
        """Where they are looked at."""
        heads = self.own_logits == "heads" and net.network.has_own_logits
        return self.rule == "variance" and heads

    def on_epoch_begin(self, net: Net) -> None:
        """Settle the factors of the epoch."""
        self._factors = self._of_epoch(net, len(net.history))
        like = next(p for p in net.network.parameters() if p.is_floating_point())
        self._tensor = like.new_tensor(self._factors)

    def _of_epoch(self, net: Net, epoch: int) -> list[float]:
        names, state = net.network.names, self._state(net)
        one = [1.0] * len(names)
        if self.rule == "random":
            return led_by(int(self._rng(net, epoch).integers(len(names))), one, self.factor)
        if self.rule == "variance":
            if not state.sizes.any():
                return one
            return scaled(1 + dependence(state.doubts, state.sizes, self.temperature))
        credits = last_credits(net.history, names)
        if credits is None:
            return one
        if self.rule == "strongest":
            return led_by(int(np.argmax(credits)), one, self.factor)
        stage = (epoch - self.start_epoch) / max(1, self._half - self.start_epoch)
        return first_trained(credits, stage)

    def _rng(self, net: Net, epoch: int) -> np.random.Generator:
        return np.random.default_rng(mix_seeds(net.seed, epoch, 1))

    def _state(self, net: Net) -> Any:
        return net.running(self)

    def factors(self, net: Net, batch: Batch, output: MultimodalOutput) -> Tensor:
        """Those of the epoch."""
        return self._tensor

    def after_backward(self, net: Net, batch: Batch, output: MultimodalOutput) -> None:
        """Take the gradients from those that are to stay, scale those of the others."""
        if len(net.network.names) > 1 and self.acts(net):
            for name, factor in zip(net.network.names, self._factors, strict=True):
                if factor == 0:
                    for parameter in net.network.backbones[name].parameters():
                        parameter.grad = None
        super().after_backward(net, batch, output)

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Add up what "variance" goes by; the loss stays."""
        if self.rule == "variance" and len(net.network.names) > 1:
            self._look(net, output, batch)
        return loss

    @torch.no_grad()
    def _look(self, net: Net, output: MultimodalOutput, batch: Batch) -> None:
        logits = list(own_logits(net, output, batch, self.own_logits).values())
        doubts = torch.stack([net.criterion_.doubt(z) for z in logits], dim=1)
        sizes = torch.stack([z.abs().sum(dim=1) for z in logits], dim=1)
        present, weight = rows_having(batch, net.network.names), batch[0].get("weight")
        share = torch.ones_like(doubts) if weight is None else weight[:, None].expand_as(doubts)
        share = share if present is None else torch.where(present, share, 0)
        net.add_up("priority", torch.stack([share, share * doubts, share * sizes]).sum(dim=1))

    def on_epoch_end(self, net: Net) -> None:
        """Keep the means of the epoch."""
        if "priority" in net.sums:
            rows, doubts, sizes = net.sums["priority"]
            state, some = self._state(net), rows > 0
            state.doubts.copy_(torch.where(some, doubts / rows, state.doubts))
            state.sizes.copy_(torch.where(some, sizes / rows, state.sizes))


def scaled(factors: Tensor | Sequence[float]) -> list[float]:
    """Factors with a mean of 1."""
    values = [float(f) for f in factors]
    total = math.fsum(values)
    return [f * len(values) / total for f in values] if total else values


def led_by(leader: int, factors: Sequence[float], factor: float) -> list[float]:
    """One modality has the factor, and the mean is 1."""
    return scaled([factor if k == leader else f for k, f in enumerate(factors)])


def first_trained(credits: Sequence[float], stage: float) -> list[float]:
    """1 for the modalities that are trained, the weakest first, from stage 0 up to all at 1."""
    count = min(len(credits), int(stage * len(credits)) + 1)
    weakest = sorted(range(len(credits)), key=lambda k: credits[k])[:count]
    return [1.0 if k in weakest else 0.0 for k in range(len(credits))]


def dependence(doubts: Tensor, sizes: Tensor, temperature: float) -> Tensor:
    """Coefficients ``softmax(T w_m (1 - n_m) / (M - 1))``: high where much is left to depend on.

    Parameters
    ----------
    doubts, sizes : Tensor of shape (n_modalities,)
        Mean entropy of each modality's logits, and mean sum of their absolute values.
    temperature : float
        T.
    """
    n = len(doubts)
    doubts = (doubts / doubts.sum()).clamp_min(LEAST_DOUBT / n)
    sure = (1 / doubts) / (1 / doubts).sum()
    return torch.softmax(temperature * sure * (1 - sizes / sizes.sum()) / max(1, n - 1), dim=0)


def last_credits(history: Any, names: list[str]) -> list[float] | None:
    """Mean credit of each modality in the last epoch, on held-out rows if there are any.

    0 for a modality that no row has; None before the first epoch, and where none was measured.
    """
    row = history[-1] if len(history) else {}
    for key in ("valid_confidence", "confidence"):
        if all(row.get(f"{name}__{key}") is not None for name in names):
            found = [float(row[f"{name}__{key}"]) for name in names]
            return [0.0 if math.isnan(value) else value for value in found]
    return None
