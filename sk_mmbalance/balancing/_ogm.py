"""`OGM`: the modality that is ahead learns more slowly (on-the-fly gradient modulation)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..networks import Batch, MultimodalOutput, mix_seeds
from ._evidence import credits_of, own_logits, pair_ratios, rows_having
from ._modulation import Modulation
from ._protocol import Net


@dataclass(kw_only=True, eq=False, repr=False)
class OGM(Modulation):
    r"""On-the-fly gradient modulation with generalisation enhancement (OGM-GE).

    In every batch, the encoder of a modality that is surer of the true classes than the others
    learns less: its gradient is scaled by :math:`k_m = 1 - \tanh(\alpha \rho_m)` where
    :math:`\rho_m > 1`, the mean ratio of its credit to that of each other modality. Noise of the
    gradients' own spread makes up for what they lose.

    Parameters
    ----------
    alpha : float, default=0.3
        Strength of the modulation.
    noise : bool, default=True
        Whether Gaussian noise, with the standard deviation of its entries, is added to every
        gradient matrix of the encoders ("GE").
    scale : {"auto", "gradient", "step"}, default="auto"
        What is scaled: the gradient (published), or the step that the optimiser makes of it (ours).
        Optimisers of Adam's kind undo a factor on the gradient, so "auto" scales their steps, and
        the gradients of others.
    own_logits : {"heads", "share"}, default="heads"
        Where a modality's credit comes from: its own classifier where one is trained, or
        (published) its part of the fused classifier.
    start_epoch, stop_epoch : int, default=0, None
        First epoch with modulation, and the first without again; None goes on to the end.

    Notes
    -----
    The form for more than two modalities is the authors'; rows that lack modalities, weights, and
    the strict rule for ties are ours: a ratio looks at the rows that have both modalities. With one
    modality this is plain training. ``history_`` gets ``face__factor`` and ``face__score``.

    References
    ----------
    .. [1] Peng, Wei, Deng, Wang, Hu, "Balanced Multimodal Learning via On-the-fly Gradient
       Modulation", CVPR 2022.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import OGM
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=OGM(alpha=0.5), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    alpha: float = 0.3
    noise: bool = True
    own_logits: str = "heads"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Modulation._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="left")],
        "noise": ["boolean"],
        "own_logits": [StrOptions({"heads", "share"})],
    }
    _published: ClassVar[Mapping[str, Any]] = {"scale": "gradient", "own_logits": "share"}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "unimodal_weight": 0.0}
    _stacks: ClassVar[bool] = True
    _stacked_numbers: ClassVar[frozenset[str]] = frozenset({"alpha"})

    def needs_own_logits(self, net: Net) -> bool:
        """Where they are looked at."""
        return self.own_logits == "heads" and net.network.has_own_logits

    @torch.no_grad()
    def factors(self, net: Net, batch: Batch, output: MultimodalOutput) -> Tensor:
        """``k_m`` of every modality."""
        names = net.network.names
        logits = own_logits(net, output, batch, self.own_logits)
        credits = credits_of(net.criterion_, logits, batch[1])
        scores, ratios = dominance(credits, rows_having(batch, names), batch[0].get("weight"))
        net.note_each("score", scores)
        return slowing(ratios, self.alpha)

    @torch.no_grad()
    def change_gradients(self, net: Net, matrices: list[list[Tensor]], factors: Tensor) -> Any:
        """Noise with the spread of each matrix as it came."""
        if not self.noise:
            return None
        place = (net.seed, len(net.history), net.batch_number)
        generator = torch.Generator(factors.device).manual_seed(mix_seeds(*place))
        return [[noise_like(p.grad, generator) for p in group] for group in matrices]


def dominance(
    credits: Tensor, present: Tensor | None = None, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Score ``s_m`` of every modality, and ``rho_m``, the mean of ``s_m / s_j`` over the others.

    See `pair_ratios` for what it takes; a modality that has no pair has ``rho_m = 1``.
    """
    scores, ratios, pairs = pair_ratios(credits, present, weight)
    total = torch.where(pairs, ratios, 0).sum(dim=1)
    if present is None and len(total) > 1:  # every modality is in a pair with every other
        return scores, total / (len(total) - 1)
    count = pairs.sum(dim=1)
    return scores, torch.where(count > 0, total / count, 1)


def slowing(ratios: Tensor, alpha: float) -> Tensor:
    """``k = 1 - tanh(alpha rho)`` where ``rho > 1``, else 1."""
    return torch.where(ratios > 1, 1 - torch.tanh(alpha * ratios), 1)


def noise_like(gradient: Any, generator: torch.Generator) -> Tensor:
    """Gaussian noise with the standard deviation of a gradient's entries.

    Without the small constant of the published code: where there is no gradient there is no noise,
    which an optimiser of Adam's kind would blow up to a step.
    """
    noise = torch.randn(
        gradient.shape, generator=generator, dtype=gradient.dtype, device=gradient.device
    )
    return noise * gradient.std(correction=0)
