"""`MMPareto`: fused and unimodal gradients are combined so that neither works against the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..networks import Batch, mean_criterion, parameters_of, unimodal_losses
from ._base import Step
from ._modulation import Modulation, start_of
from ._protocol import Net

#: A combination shorter than this share of the sum is rounding, and has no direction to restore.
SHORTEST = 1e-6


@dataclass(kw_only=True, eq=False, repr=False)
class MMPareto(Modulation):
    r"""Pareto integration of the gradients of fused and unimodal losses.

    An encoder has a gradient :math:`g_f` of the fused loss, and :math:`g_u` of its modality's own.
    Where they agree, it takes their sum, as always. Where they conflict (:math:`g_f g_u < 0`), it
    takes twice their shortest convex combination, which does not work against either, made as long
    as the sum. What it takes is multiplied by a gain.

    Parameters
    ----------
    gain : float, default=1.5
        Multiplies what the encoders take. Heads and fusion have none.
    rescale : {"tensor", "encoder"}, default="tensor"
        Whether the length is restored tensor by tensor (published), or of the encoder's whole
        gradient. Nothing is shortened.
    combine : {"pareto", "sum"}, default="pareto"
        "sum" takes the sum, with the gain, in any case: the control.
    scale : {"auto", "gradient", "step"}, default="auto"
        What the gain is multiplied to: the gradient (published), or the step that the optimiser
        makes of it (ours). Optimisers of Adam's kind undo a factor on the gradient, so "auto"
        scales their steps, and the gradients of others.
    start_epoch, stop_epoch : int, default=0, None
        First epoch with the combination, and the first without again; None goes on to the end.

    Notes
    -----
    All parameters of an encoder are combined, and scaled, biases too. Modalities need classifiers
    of their own: `unimodal_weight` above 0, which is part of :math:`g_u`. Any fusion, any kind of
    target and any number of modalities will do; rows without a modality and weights are taken into
    account in both losses. There are two backward passes, so that a step costs about five thirds of
    a plain one. With one modality this is plain training. ``history_`` gets ``face__conflict``, the
    share of steps in which the gradients of an encoder conflict.

    References
    ----------
    .. [1] Wei, Hu, "MMPareto: Boosting Multimodal Learning with Innocent Unimodal Assistance",
       ICML 2024.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import MMPareto
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=MMPareto(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    gain: float = 1.5
    rescale: str = "tensor"
    combine: str = "pareto"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Modulation._parameter_constraints,
        "gain": [Interval(Real, 0, None, closed="neither")],
        "rescale": [StrOptions({"tensor", "encoder"})],
        "combine": [StrOptions({"pareto", "sum"})],
    }
    _published: ClassVar[Mapping[str, Any]] = {"scale": "gradient"}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd"}
    _other_unimodal_weights: ClassVar[str] = "positive"

    def control(self) -> dict[str, Any]:
        """The sum of the gradients, with the same gain."""
        return {"balancing": MMPareto(**{**self.get_params(), "combine": "sum"})}

    def gradients(self, net: Net, batch: Batch) -> Step | None:
        """Gradients of both losses, combined in the encoders and added up elsewhere."""
        names = net.network.names
        if len(names) == 1 or not self.acts(net):
            return None
        X, y = batch
        output = net.infer(X, unimodal=True)
        weight, present = X.get("weight"), X.get("present")
        fused = mean_criterion(net.criterion_, output.logits, y, weight)
        losses = unimodal_losses(net.criterion_, output.unimodal, y, weight, present)
        own = net.unimodal_weight * sum(losses.values())
        encoders = {name: _learning(net.network.backbones[name]) for name in names}
        if self.combine == "sum":
            (fused + own).backward()
        else:
            self._combined(net, encoders, fused, own)
        everything = [p for encoder in encoders.values() for p in encoder]
        self._multiply([p for p in everything if p.grad is not None], net)
        return {"loss": (fused + own).detach(), "y_pred": output}

    def _combined(
        self, net: Net, encoders: Mapping[str, list[Any]], fused: Tensor, own: Any
    ) -> None:
        """Set the gradients."""
        everything = _learning(net.network)
        of_fused = torch.autograd.grad(fused, everything, retain_graph=True, allow_unused=True)
        of_own = torch.autograd.grad(own, everything, allow_unused=True)
        both = {}
        for p, f, u in zip(everything, of_fused, of_own, strict=True):
            if f is None or u is None:
                p.grad = u if f is None else f
            else:
                both[p] = f, u
        for name, learning in encoders.items():
            encoder = [p for p in learning if p in both]
            if encoder:
                first, second = zip(*map(both.pop, encoder), strict=True)
                combined, conflict = pareto(first, second, self.rescale == "tensor")
                for p, g in zip(encoder, combined, strict=True):
                    p.grad = g
                net.note({f"{name}__conflict": conflict})
        for p, (f, u) in both.items():
            p.grad = f + u

    def _multiply(self, parameters: list[Any], net: Net) -> None:
        """Multiply gradients by the gain, or remember where the step starts from."""
        if self.scales_steps(net):
            self._starts = [start_of(parameters, float(1 - self.gain))] if parameters else []
        elif parameters:
            torch._foreach_mul_([p.grad for p in parameters], self.gain)


def _learning(module: Any) -> list[Any]:
    return [p for p in parameters_of(module) if p.requires_grad]


@torch.no_grad()
def pareto(
    fused: Sequence[Tensor], own: Sequence[Tensor], by_tensor: bool = True
) -> tuple[list[Tensor], Tensor]:
    """Combine two gradients of an encoder; tells as well whether they conflict, as 0 or 1.

    ``2 c g_f + 2 (1 - c) g_u`` with c = 1/2 where they agree, else
    ``(g_u g_u - g_f g_u) / |g_f - g_u|^2``, made as long as ``g_f + g_u`` if it is shorter.

    Parameters
    ----------
    fused, own : sequence of Tensor
        The gradients, tensor by tensor.
    by_tensor : bool, default=True
        Whether each tensor's length is restored by itself.
    """
    pairs = list(zip(fused, own, strict=True))
    fu, sums = _product(fused, own), [f + u for f, u in pairs]
    conflict = fu < 0
    if conflict.device.type == "cpu" and not conflict:  # a GPU would have to be waited for
        return sums, conflict.to(fu.dtype)
    ff, uu = _product(fused, fused), _product(own, own)
    apart = ff - 2 * fu + uu
    c = torch.where(conflict, (uu - fu) / torch.where(conflict, apart, 1), 0.5)
    of_fused, of_own = 2 * c, 2 * (1 - c)
    combined = [(of_fused * f).addcmul_(u, of_own) for f, u in pairs]
    wanted = torch.stack([_dot(both, both) for both in sums])
    found = torch.stack([_dot(n, n) for n in combined])
    if not by_tensor:
        wanted, found = wanted.sum().expand_as(wanted), found.sum().expand_as(found)
    some = found > SHORTEST**2 * wanted
    longer = (wanted / torch.where(some, found, 1)).sqrt().clamp_min(1)
    factors = torch.where(some & conflict, longer, 1)
    return [n.mul_(factors[k]) for k, n in enumerate(combined)], conflict.to(fu.dtype)


def _product(some: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """The product of two gradients, over all their tensors."""
    return torch.stack([_dot(a, b) for a, b in zip(some, others, strict=True)]).sum()


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """The product of two tensors as vectors, without one of products in between."""
    return torch.dot(a.reshape(-1), b.reshape(-1))
