"""`AGM`: a modality learns the faster, the less it leads (adaptive gradient modulation)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._sklearn import Interval
from ..networks import Batch, LateFusion, MultimodalOutput, Presence
from ._evidence import coalition, credits_of, rows_having
from ._modulation import Modulation
from ._protocol import Net

#: A fusion that is no sum is asked about every coalition of modalities: 63 of them at most.
MOST_MODALITIES = 6

#: Credits are not looked at below this (the authors' floor of probabilities).
LEAST_CREDIT = 1e-8

#: Largest factor on a step: no clipping guards a step.
MOST_OF_A_STEP = 2.0


class _Losses(nn.Module):
    """Mean loss of every modality's part so far, and of how many batches."""

    def __init__(self, n_modalities: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_modalities))
        self.register_buffer("count", torch.zeros(n_modalities))


@dataclass(kw_only=True, eq=False, repr=False)
class AGM(Modulation):
    r"""Adaptive gradient modulation: present leads are compared with the leads so far.

    The fused logits are split into one part a modality, by Shapley values: what it adds to each
    coalition of the others. A modality's lead :math:`r_m` is the exponential of how much smaller
    the loss of its part is than that of the others, and :math:`\tau_m` is the same of the mean
    losses so far. What reaches the modality's part as gradient is multiplied by
    :math:`\kappa_m = \exp(\alpha \min(\tau_m - r_m, c))`.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the modulation.
    cap : float, default=10.0
        Largest :math:`c` that the difference of leads may have.
    clip_norm : float, default=1.0
        The norm of all gradients together is clipped to this, where gradients are scaled; None
        clips nothing.
    scale : {"auto", "gradient", "step"}, default="auto"
        What is scaled: the gradient at the modality's part (published), or the step that the
        optimiser makes of the matrices of its encoder (ours, at most doubled). Optimisers of Adam's
        kind undo a factor on the gradient, so "auto" scales their steps, and the gradients of
        others.
    start_epoch, stop_epoch : int, default=0, None
        First epoch with modulation, and the first without again; None goes on to the end.

    Notes
    -----
    The fusions "concat", "sum" and "late" are sums already. Any other is asked about all
    coalitions of the same embeddings (in evaluation mode), and can have at most 6 modalities. The
    form for more than two modalities and for rows that lack some is ours: a row's parts come from
    the modalities that it has, and leads from the rows that have both. The loss of a part is minus
    the logarithm of its credit, for any kind of target. In the first batch no factor is other
    than 1. Losses of modalities (``unimodal_weight``) are left as they are where gradients are
    scaled; "auto" has none. With one modality this is plain training. ``history_`` gets
    ``face__factor`` and ``face__lead``.

    The released code clips whenever the gradient of a head exceeds 1, this whenever the norm of all
    exceeds `clip_norm`.

    References
    ----------
    .. [1] Li, Li, Hu, Lei, Li, Zhou, "Boosting Multi-modal Model Performance with Adaptive
       Gradient Modulation", ICCV 2023.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import AGM
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=AGM(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    alpha: float = 1.0
    cap: float = 10.0
    clip_norm: Any = 1.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Modulation._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="left")],
        "cap": [Interval(Real, 0, None, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
    }
    _published: ClassVar[Mapping[str, Any]] = {"scale": "gradient"}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd"}
    _unimodal_weight: ClassVar[float] = 0.0
    _stacks: ClassVar[bool] = True
    _stacked_numbers: ClassVar[frozenset[str]] = frozenset({"alpha", "cap"})

    def control(self) -> dict[str, Any]:
        """The same clipping without factors; no balancing where there is none."""
        clipping = None if self.clip_norm is None else AGM(**{**self.get_params(), "alpha": 0.0})
        return {**super().control(), "balancing": clipping}

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """Losses so far."""
        if len(dims) > MOST_MODALITIES and not hasattr(module.fusion, "terms"):
            raise ValueError(
                f"`balancing` AGM() can have at most {MOST_MODALITIES} modalities with this "
                f"`fusion`, for it looks at all coalitions; got {len(dims)}. Use 'concat', 'sum' "
                "or 'late'."
            )
        return _Losses(len(dims))

    def forward(self, net: Net, batch: Batch, unimodal: bool) -> MultimodalOutput | None:
        """The same logits, whose gradient reaches each part multiplied by its factor."""
        if len(net.network.names) == 1 or not self.acts(net) or self.scales_steps(net):
            return None
        output = net.infer(batch[0], unimodal=unimodal)
        parts = parts_of(net, output, batch[0].get("present"))
        factors = self._next_factors(net, parts, batch)
        net.note_each("factor", factors)
        scaled = output.logits
        for k, part in enumerate(parts.values()):
            # adds exactly 0 to the value, and (factor - 1) times its gradient to the gradient
            scaled = scaled + (factors[k] - 1) * (part - part.detach())
        return output._replace(logits=scaled)

    def after_backward(self, net: Net, batch: Batch, output: MultimodalOutput) -> None:
        """Clip gradients; or remember where the step starts from."""
        if self.scales_steps(net):
            super().after_backward(net, batch, output)
        elif self.clip_norm is not None and len(net.network.names) > 1 and self.acts(net):
            nn.utils.clip_grad_norm_(net.network.parameters(), self.clip_norm)

    @torch.no_grad()
    def factors(self, net: Net, batch: Batch, output: MultimodalOutput) -> Tensor:
        """Factor of every encoder's step."""
        parts = parts_of(net, output, batch[0].get("present"))
        return self._next_factors(net, parts, batch).clamp_max(MOST_OF_A_STEP)

    def _state(self, net: Net) -> Any:
        return net.running(self)

    @torch.no_grad()
    def _next_factors(self, net: Net, parts: dict[str, Tensor], batch: Batch) -> Tensor:
        """Compare with the losses so far, and add this batch to them."""
        names, state = net.network.names, self._state(net)
        outputs = {name: parts[name] for name in names}
        credits = credits_of(net.criterion_, outputs, batch[1])
        losses = -credits.clamp_min(LEAST_CREDIT).log()
        means, behind, both = lags(losses, rows_having(batch, names), batch[0].get("weight"))
        known = state.count > 0
        so_far = both & known[:, None] & known
        behind_so_far = state.mean - state.mean[:, None]
        now, earlier = lead(torch.stack([behind, behind_so_far]), torch.stack([both, so_far]))
        factors = modulation(now, earlier, self.alpha, self.cap)
        compared = so_far.sum(dim=1) > 1  # with itself, and with another
        factors = torch.where(compared, factors, 1)
        net.note_each("lead", now)
        here = both.diagonal()
        state.count += here
        state.mean += here / state.count.clamp_min(1) * (means - state.mean)
        return factors


def lags(
    losses: Tensor, present: Tensor | None = None, weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean loss of each modality; [m, j], by how much j's exceeds m's; and whether any row tells.

    Parameters
    ----------
    losses : Tensor of shape (batch, n_modalities)
        Loss of each modality's part on each row.
    present : Tensor of bool of shape (batch, n_modalities), default=None
        Which modalities a row has.
    weight : Tensor of shape (batch,), default=None
        Weights of the rows.
    """
    if present is None and weight is None:
        means = losses.sum(dim=0) / len(losses)
        behind = means - means[:, None]
        return means, behind, torch.ones_like(behind, dtype=torch.bool)
    here = torch.ones_like(losses) if present is None else present.to(losses.dtype)
    losses = losses if present is None else torch.where(present, losses, 0)
    weighted = here if weight is None else here * weight[:, None]
    rows = weighted.t() @ here
    both = rows > 0
    sums = (losses * weighted).t() @ here  # [m, j]: loss of m on the rows that have m and j
    means = torch.where(both, sums / rows, 0)
    return means.diagonal(), means.t() - means, both


def lead(behind: Tensor, pairs: Tensor) -> Tensor:
    """``r_m``, the exponential of the mean over j of how much j is behind m; 1 without any j.

    Parameters
    ----------
    behind : Tensor of shape (..., n_modalities, n_modalities)
        [m, j], by how much j is behind m.
    pairs : Tensor of bool of the same shape
        Which j count for m; m itself never does.
    """
    itself = torch.eye(pairs.shape[-1], dtype=torch.bool, device=pairs.device)
    others = pairs & ~itself
    count = others.sum(dim=-1).clamp_min(1)
    return torch.exp(torch.where(others, behind, 0).sum(dim=-1) / count)


def modulation(now: Tensor, earlier: Tensor, alpha: float, cap: float) -> Tensor:
    """``kappa = exp(alpha min(tau - r, c))``."""
    return torch.exp(alpha * (earlier - now).clamp_max(cap))


# -- parts of the fused logits -----------------------------------------------------------------


def parts_of(net: Net, output: MultimodalOutput, present: Presence) -> dict[str, Tensor]:
    """What each modality contributes to the fused logits, which they add up to."""
    embeddings = output.embeddings or {}
    fusion: Any = net.network.fusion
    with net.autocast():
        if isinstance(fusion, LateFusion):
            parts = _weighted(fusion.terms(embeddings, present), fusion.weights, present)
        elif hasattr(fusion, "terms"):
            parts = fusion.terms(embeddings, present)
        else:
            parts = shapley(
                lambda names: _coalition(fusion, embeddings, names, present),
                list(embeddings),
                output.logits,
            )
    return {name: z.float() for name, z in parts.items()} if net.amp else parts


def _weighted(
    logits: Mapping[str, Tensor], weights: Mapping[str, float], present: Presence
) -> dict[str, Tensor]:
    if present is None:
        sum_of_weights = sum(weights[m] for m in logits)
        return {m: z * (weights[m] / sum_of_weights) for m, z in logits.items()}
    here = {m: present[m].to(z.dtype)[:, None] * weights[m] for m, z in logits.items()}
    total = torch.stack(list(here.values())).sum(dim=0).clamp_min(torch.finfo(torch.float32).tiny)
    return {m: z * (here[m] / total) for m, z in logits.items()}


def shapley(
    value: Callable[[tuple[str, ...]], Tensor], names: list[str], whole: Tensor
) -> dict[str, Tensor]:
    """Shapley values of a game whose empty coalition is worth 0; they add up to `whole`.

    Parameters
    ----------
    value : callable
        From the names of a coalition, in order, to its worth.
    names : list of str
        The players.
    whole : Tensor
        Worth of all together.
    """
    n = len(names)
    worth = {
        members: value(members) for size in range(1, n) for members in combinations(names, size)
    }
    worth[tuple(names)] = whole
    parts = {name: torch.zeros_like(whole) for name in names}
    for members, z in worth.items():
        size = len(members)
        # what members share in when they are complete, and what keeps the others from it
        joined = math.factorial(size - 1) * math.factorial(n - size) / math.factorial(n)
        for name in names:
            if name in members:
                parts[name] = parts[name] + joined * z
            else:
                left = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
                parts[name] = parts[name] - left * z
    return parts


def _coalition(
    fusion: nn.Module, embeddings: dict[str, Tensor], names: tuple[str, ...], present: Presence
) -> Tensor:
    training = fusion.training
    fusion.eval()  # draws nothing, and leaves statistics of batches alone
    logits = coalition(fusion, embeddings, names, present)
    fusion.train(training)
    return logits
