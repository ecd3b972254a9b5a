"""`Greedy`: gates that learn faster than their branch are held still for some steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..networks import (
    Batch,
    ByModality,
    FiLMFusion,
    ModalityRows,
    MultimodalOutput,
    mix_seeds,
    total,
    unimodal_losses,
)
from ._base import Balancing
from ._evidence import heads_of, row_means
from ._protocol import Net


class _Gates(nn.Module):
    """Mean gates of one modality over the steps so far."""

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("count", torch.zeros(()))


class _Speeds(nn.Module):
    """What gates and branches learnt so far, mean gates, and who is held for how many steps."""

    def __init__(self, dims: Mapping[str, int]):
        super().__init__()
        self.gates = ByModality({name: _Gates(2 * size) for name, size in dims.items()})
        self.register_buffer("learnt", torch.zeros(2, len(dims)))
        self.register_buffer("left", torch.zeros((), dtype=torch.int64))
        self.register_buffer("who", torch.zeros((), dtype=torch.int64))


@dataclass(kw_only=True, eq=False, repr=False)
class Greedy(Balancing):
    r"""Balancing conditional learning speeds, against the greed of joint training.

    In the fusion "film" every embedding is gated (scaled and shifted) by what the others say. A
    network that learns from the easy modality through such gates neglects the branch of the other.
    The conditional learning speed of a modality is :math:`B_m = \log_{10} (\mu_g / \mu_b)`, where
    :math:`\mu` adds up :math:`\|g\|^2 / \|\theta\|^2` of gradients and weights over the steps so
    far, for the modality's gates (its scale and shift, and the context of the others) and for its
    branch (its encoder, and its part of the classifier). Where one modality's speed exceeds the
    mean of the others' by more than `threshold`, its gates are held at their mean over the steps so
    far for `window` steps, so that its branch has to learn.

    Parameters
    ----------
    threshold : float, default=0.01
        Difference of speeds that is let pass; ``numpy.inf`` holds no gates.
    window : int, default=5
        Steps for which gates are held.
    start_epoch, stop_epoch : int, default=1, None
        First epoch in which gates are held, and the first without again; None goes on to the end.
        Speeds are added up from the first step on.
    choice : {"speed", "random"}, default="speed"
        "random" draws in every step whose gates are held, if any: the authors' control.

    Notes
    -----
    The loss has, beside the fused one, that of each modality's part of the classifier; `published`
    has nothing else, for the authors gate inner layers of convolutional networks, and predict with
    a mean of branches. Steps with held gates count in no speed. A held gate has a gradient of zero,
    under which optimisers with momentum still move it: the authors use SGD without. Rows that lack
    the modality are in no mean. Any kind of target and any number of modalities will do; with one
    this is plain training. ``history_`` gets ``face__speed`` and ``face__held``.

    References
    ----------
    .. [1] Wu, Jastrzebski, Cho, Geras, "Characterizing and Overcoming the Greedy Nature of Learning
       in Multi-modal Deep Neural Networks", ICML 2022.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import Greedy
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=Greedy(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    threshold: float = 0.01
    window: int = 5
    start_epoch: int = 1
    stop_epoch: Any = None
    choice: str = "speed"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "threshold": [Interval(Real, 0, None, closed="both")],
        "window": [Interval(Integral, 1, None, closed="left")],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
        "choice": [StrOptions({"speed", "random"})],
    }
    _published_side: ClassVar[Mapping[str, Any]] = {
        "optimizer": torch.optim.SGD,
        "fusion": "film",
    }
    _fusion: ClassVar[str] = "film"
    _fusions: ClassVar[frozenset[str] | None] = frozenset({"film"})
    _unimodal_weight: ClassVar[float] = 0.0

    def control(self) -> dict[str, Any]:
        """Gates held at random."""
        return {"balancing": Greedy(**{**self.get_params(), "choice": "random"})}

    def check_net(self, net: Net) -> None:
        """Refuse an optimiser that runs the network several times in a step."""
        self._refuse_closure(net)

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """Nothing learnt so far."""
        return _Speeds(dims)

    def _state(self, net: Net) -> Any:
        return net.running(self)

    def _takes_part(self, net: Net) -> bool:
        return len(net.network.names) > 1 and len(net.history) <= net.whole_rows_until

    # -- what is measured ------------------------------------------------------------------

    def on_train_begin(self, net: Net, rows: ModalityRows, valid: Any) -> ModalityRows:
        """Remember which tensors are gates of whom, and which branches."""
        names, fusion = net.network.names, net.network.fusion
        if isinstance(fusion, FiLMFusion):
            self._groups: Any = groups_of(names, net.network.backbones, fusion)
        return rows

    def on_train_end(self, net: Net) -> None:
        """The tensors are the network's."""
        for kept in ("_groups", "_held", "_regular", "_parts"):
            self.__dict__.pop(kept, None)

    @torch.no_grad()
    def after_backward(self, net: Net, batch: Batch, output: MultimodalOutput) -> None:
        """Add up what was learnt, and say whose gates are held next."""
        if not self._takes_part(net):
            return
        state, held, regular = self._state(net), self._held, self._regular
        tensors, members = self._groups
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in tensors]
        grown = (members @ _squares(gradients)) / (members @ _squares(tensors))
        state.learnt += torch.where(regular, grown.view(2, -1), 0)
        speeds = speeds_of(state.learnt)
        net.note_each("speed", speeds)
        net.note_each("held", held.to(speeds.dtype))
        if self.choice == "speed":
            most, who = leads(speeds).max(dim=0)
            starts = regular & (most > self.threshold) & self.acts(net)
            left = torch.where(starts, self.window, (state.left - 1).clamp_min(0))
            state.left.copy_(left)
            state.who.copy_(torch.where(starts, who, state.who))

    # -- what is held ----------------------------------------------------------------------

    def forward(self, net: Net, batch: Batch, unimodal: bool) -> MultimodalOutput | None:
        """Run the fusion with gates of which some may be held."""
        if not self._takes_part(net):
            return None
        X, network = batch[0], net.network
        fusion: Any = network.fusion
        present = X.get("present")
        self._held = self._who_is_held(net)
        self._regular = ~self._held.any()
        with net.autocast():
            embeddings = network.encode(X["inputs"], present)
            gates = fusion.gates(embeddings, present)
            self._remember(net, gates, batch)
            means = self._state(net).gates
            for name, held in zip(network.names, self._held.unbind(), strict=True):
                mean = means[name].mean.to(gates[name].dtype)
                gates[name] = torch.where(held, mean, gates[name])
            modulated = fusion.modulated(embeddings, gates, present)
            parts = fusion.concat.terms(modulated, present)
            own = heads_of(network, embeddings, present) if unimodal else {}
        if net.amp:
            own, parts = ({m: z.float() for m, z in each.items()} for each in (own, parts))
        self._parts = parts
        return MultimodalOutput(total(parts), own, embeddings)

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Add the losses of the modalities' parts."""
        parts = self.__dict__.pop("_parts", None)
        if parts is None:
            return loss
        X, y = batch
        own = unimodal_losses(net.criterion_, parts, y, X.get("weight"), X.get("present"))
        return loss + total(own)

    def _who_is_held(self, net: Net) -> Tensor:
        state, names = self._state(net), net.network.names
        places = torch.arange(len(names), device=state.who.device)
        if not self.acts(net):
            return places < 0
        if self.choice == "speed":
            return (state.left > 0) & (places == state.who)
        place = (net.seed, len(net.history), net.batch_number)
        generator = torch.Generator().manual_seed(mix_seeds(*place))
        drawn = int(torch.randint(len(names) + 1, (), generator=generator)) - 1
        known = torch.stack([state.gates[name].count > 0 for name in names])
        return (places == drawn) & known

    @torch.no_grad()
    def _remember(self, net: Net, gates: dict[str, Tensor], batch: Batch) -> None:
        """Add this batch's mean gates to those of the steps so far."""
        X, regular, means = batch[0], self._regular, self._state(net).gates
        for name, values in gates.items():
            own, here = means[name], None
            if "present" in X:
                here = X["present"][name][:, None].expand_as(values)
            mean = row_means(values.to(own.mean.dtype), here, X.get("weight"))
            counts = regular if here is None else regular & here.any()
            own.count += counts
            own.mean.lerp_(mean, counts / own.count.clamp_min(1))


def groups_of(names: list[str], backbones: Any, fusion: Any) -> tuple[list[Any], Tensor]:
    """All tensors, and a row of 0 and 1 for each modality's gates, then for each one's branch."""
    context = {m: list(fusion.context[m].parameters()) for m in names}
    gates = [
        [*fusion.film[m].parameters(), *(p for o in names if o != m for p in context[o])]
        for m in names
    ]
    branches = [[*backbones[m].parameters(), *fusion.concat.maps[m].parameters()] for m in names]
    groups = [{id(p) for p in group} for group in (*gates, *branches)]
    tensors = list({id(p): p for group in (*gates, *branches) for p in group}.values())
    rows = [[float(id(p) in group) for p in tensors] for group in groups]
    return tensors, torch.tensor(rows, dtype=tensors[0].dtype, device=tensors[0].device)


def speeds_of(learnt: Tensor) -> Tensor:
    """``B_m = log10(mu_gates / mu_branch)``, from both of shape (2, n_modalities)."""
    return (learnt[0] / learnt[1]).log10()


def leads(speeds: Tensor) -> Tensor:
    """By how much each speed exceeds the mean of the others; minus infinity where one is unknown.

    A modality or branch that has not learnt at all has no speed, and is in no mean.
    """
    known = speeds.abs() < torch.inf
    values, n_others = torch.where(known, speeds, 0), known.sum() - 1
    ahead = values - (values.sum() - values) / n_others.clamp_min(1)
    return torch.where(known & (n_others > 0), ahead, -torch.inf)


def _squares(tensors: list[Any]) -> Tensor:
    """Squared norm of each."""
    return torch.stack(torch._foreach_norm(tensors)).square()
