"""`MLA`: modalities take turns at one shared head (multimodal learning with adaptation)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..base import CLASSES
from ..networks import (
    Batch,
    MultimodalOutput,
    SharedHead,
    mean_criterion,
    mean_where,
    mix_seeds,
    total,
)
from ._base import Balancing, Step
from ._protocol import Net


class _Memory(nn.Module):
    """The projection of ``projection="recursive"``."""

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("projection", torch.eye(size))


@dataclass(kw_only=True, eq=False, repr=False)
class MLA(Balancing):
    r"""Multimodal learning with alternating unimodal adaptation.

    Each step trains one encoder and the one linear head that all modalities share. The gradient of
    the head is projected away from what the other modalities feed it, so that none unlearns what
    another has taught it. The prediction weighs the modalities, row by row, by how sure they are.

    Parameters
    ----------
    projection : {"batch", "recursive", "none"}, default="batch"
        What the head's gradient is turned away from: the mean embeddings of the other modalities in
        the batch (ours, without memory), those of all batches of the epoch so far (published; it
        leaves ever less of the gradient), or nothing (what the released code does).
    ridge : float, default=0.1
        The smaller, the stricter the projection.
    entropy_fusion : bool, default=True
        Whether a row's modalities are weighed by ``exp(-entropy)`` of their prediction; else all
        alike. Weights of `fusion_weights` multiply either.
    order : {"name", "random"}, default="name"
        In which order modalities take their turns in a batch.
    update : {"alternating", "joint"}, default="alternating"
        "joint" takes one step for the sum of all losses, without projection: the control.

    Notes
    -----
    The fusion is the method's own (``fusion="auto"`` or "late"), and so are the losses
    (``unimodal_weight="auto"`` or 0). Embeddings of unequal sizes are brought to one size by a
    linear map without bias. With one modality this is plain training. In a remixed epoch the
    modality of a batch takes its turn alone. `published` has ``projection="recursive"``, of which
    the released code runs nothing, because a name is misspelt there.

    References
    ----------
    .. [1] Zhang, Yoon, Bansal, Yao, "Multimodal Representation Learning by Alternating Unimodal
       Adaptation", CVPR 2024.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import MLA
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=MLA(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    projection: str = "batch"
    ridge: float = 0.1
    entropy_fusion: bool = True
    order: str = "name"
    update: str = "alternating"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "projection": [StrOptions({"batch", "recursive", "none"})],
        "ridge": [Interval(Real, 0, None, closed="neither")],
        "entropy_fusion": ["boolean"],
        "order": [StrOptions({"name", "random"})],
        "update": [StrOptions({"alternating", "joint"})],
    }
    _published: ClassVar[Mapping[str, Any]] = {"projection": "recursive"}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd"}
    _fusion: ClassVar[str] = "late"
    _fusions: ClassVar[frozenset[str] | None] = frozenset({"late"})
    _unimodal_weight: ClassVar[float] = 0.0
    _other_unimodal_weights: ClassVar[str] = "none"
    _fixed: ClassVar[frozenset[str]] = frozenset({"entropy_fusion"})
    _takes_parts: ClassVar[bool] = True

    def control(self) -> dict[str, Any]:
        """The same network, trained by all modalities at once."""
        joint = MLA(projection="none", entropy_fusion=self.entropy_fusion, update="joint")
        return {"balancing": joint}

    def check_target(self, kind: str) -> None:
        """Refuse to weigh by the entropy of what has none."""
        super().check_target(kind)
        if self.entropy_fusion and kind != CLASSES:
            raise ValueError(
                f"`balancing` MLA(entropy_fusion=True) needs one class a row, and `y` holds {kind}."
                " Set entropy_fusion=False."
            )

    def check_net(self, net: Net) -> None:
        """Refuse an optimiser that cannot take a step a modality."""
        if self.update == "alternating":
            self._refuse_closure(net)

    def make_fusion(
        self, dims: Mapping[str, int], n_classes: int, weights: Mapping[str, float] | None
    ) -> nn.Module | None:
        """One head for all."""
        return SharedHead(dims, n_classes, weights, by_certainty=self.entropy_fusion)

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """The projection so far."""
        return _Memory(max(dims.values()))

    def on_epoch_begin(self, net: Net) -> None:
        """The recursion starts anew."""
        memory: Any = net.running(self)
        memory.projection.zero_().fill_diagonal_(1)

    def needs_own_logits(self, net: Net) -> bool:
        """For the sum of their losses."""
        return self.update == "joint"

    def replaces_loss(self, net: Net) -> bool:
        """By the modalities' own."""
        return True

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """The sum of the modalities' losses, for the control."""
        return total({m: _mean_loss(net, z, batch, m) for m, z in output.unimodal.items()})

    def step(self, net: Net, batch: Batch) -> Step | None:
        """A step of the optimiser for each modality in turn."""
        if self.update == "joint":
            return None
        X, codes = batch
        present, weight = X.get("present"), X.get("weight")
        fusion: Any = net.network.fusion
        with net.autocast():  # no encoder changes before its own step
            hidden = {
                m: fusion.project[m](u) for m, u in net.network.encode(X["inputs"], present).items()
            }
        means = {
            m: mean_embedding(h.detach(), weight, None if present is None else present[m])
            for m, h in hidden.items()
            if present is None or present[m].any()
        }
        own: dict[str, Tensor] = {}
        for name in self._turns(net, list(means)):
            with net.turn_of(name, batch):
                with net.autocast():
                    z = fusion.head(hidden[name])
                z = z.float() if net.amp else z
                _mean_loss(net, z, batch, name).backward()
                self._project(net, fusion.head.weight, name, means)
            own[name] = z.detach()
        totals = {m: own[m] if m in own else fusion.no_logits(len(codes)) for m in hidden}
        logits = fusion.fuse(totals, present)
        loss = mean_criterion(net.criterion_, logits, codes, weight)
        return {"loss": loss, "y_pred": MultimodalOutput(logits, totals)}

    def _turns(self, net: Net, names: list[str]) -> list[str]:
        if self.order == "name":
            return names
        seed = mix_seeds(net.seed, len(net.history), net.batch_number)
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
        return [names[k] for k in order.tolist()]

    @torch.no_grad()
    def _project(self, net: Net, weight: Any, name: str, means: dict[str, Tensor]) -> None:
        """Turn the head's gradient away from what the other modalities feed it."""
        if self.projection == "batch":
            others = [mean for other, mean in means.items() if other != name]
            if others:
                weight.grad = without_directions(
                    weight.grad, torch.stack(others, dim=1).to(weight.dtype), self.ridge
                )
        elif self.projection == "recursive" and len(net.network.names) > 1:
            memory: Any = net.running(self)
            weight.grad = weight.grad @ memory.projection
            ridge = self.ridge ** (1 + net.batch_number / net.n_batches)
            column = means[name].to(weight.dtype)
            memory.projection.copy_(next_projection(memory.projection, column, ridge))


def _mean_loss(net: Net, logits: Tensor, batch: Batch, name: str) -> Tensor:
    X, codes = batch
    if "present" not in X:
        return mean_criterion(net.criterion_, logits, codes, X.get("weight"))
    return mean_where(net.criterion_(logits, codes), X.get("weight"), X["present"][name])


def mean_embedding(h: Tensor, weight: Tensor | None, here: Tensor | None) -> Tensor:
    """Weighted mean over the rows that have the modality, of shape (size,)."""
    if weight is None and here is None:
        return h.mean(dim=0)
    share = torch.ones_like(h[:, 0]) if weight is None else weight.to(h.dtype)
    share = share if here is None else torch.where(here, share, 0)
    return (share @ h) / share.sum()


def without_directions(gradient: Tensor, columns: Tensor, ridge: float) -> Tensor:
    """``G P`` with ``P = I - R (R'R + a I)^-1 R'``, for R of shape (size, n_columns)."""
    gram = columns.t() @ columns
    gram.diagonal().add_(ridge)
    fed = gradient @ columns
    fed = fed / gram if len(gram) == 1 else torch.linalg.solve(gram, fed.t()).t()
    return gradient - fed @ columns.t()


def next_projection(projection: Tensor, column: Tensor, ridge: float) -> Tensor:
    """``P - P r r' P / (a + r' P r)``: recursive least squares."""
    turned = projection @ column
    return projection - torch.outer(turned, turned) / (ridge + column @ turned)
