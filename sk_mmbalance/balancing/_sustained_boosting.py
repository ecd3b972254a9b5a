"""`SustainedBoosting`: more classifier heads for the modality that is behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..base import CLASSES
from ..networks import (
    FEWEST,
    Batch,
    MultimodalOutput,
    mean_criterion,
    mean_where,
    probability_of_truth,
    weighted_mean_loss,
)
from ._assignment import AssignmentRule, HeadGrowth
from ._base import Balancing, Step
from ._heads import GrowingHeads
from ._protocol import Net


def boosting_losses(
    criterion: Any, previous: Tensor | None, newest: Tensor, codes: Tensor, residual_weight: float
) -> Tensor:
    """Loss of every row for one modality: ``e_all + e_pre + e_res``.

    With ``Z`` the summed logits of all heads, ``z`` those of the newest and ``Z - z`` those of the
    heads before it:

    - ``e_all = CE(Z, y)``: all heads;
    - ``e_pre = CE(Z - z, y)``: all but the newest;
    - ``e_res = (1 - lambda q) CE(z, y)``: the newest alone, where ``q`` is what the heads before
      it give to the true class (without gradient). Rows that are right already weigh less.

    A single head has ``CE(z, y)`` only.

    Parameters
    ----------
    criterion : callable
        Cross-entropy that gives a loss per row.
    previous : Tensor of shape (batch, n_classes) or None
        Summed logits of all heads but the newest; None if there is one head.
    newest : Tensor of shape (batch, n_classes)
        Logits of the newest head.
    codes : Tensor of int64 of shape (batch,)
        True classes.
    residual_weight : float
        ``lambda``.

    Returns
    -------
    Tensor of shape (batch,)
    """
    if previous is None:
        return criterion(newest, codes)
    e_all = criterion(previous + newest, codes)
    e_pre = criterion(previous, codes)
    e_res = criterion(newest, codes)
    if residual_weight:
        e_res = (1 - residual_weight * probability_of_truth(previous.detach(), codes)) * e_res
    return e_all + e_pre + e_res


class _Growing(nn.Module):
    """What became of the heads so far; their weights are in the fusion."""

    def __init__(self, rule: AssignmentRule):
        super().__init__()
        self.growth = HeadGrowth(rule)


@dataclass(kw_only=True, eq=False, repr=False)
class SustainedBoosting(Balancing):
    r"""Sustained boosting: heads are added to the modality that is behind, as training goes.

    Every modality has a classifier and a loss of its own, and is trained in its own steps. At
    intervals the modality that gives the least probability to the true classes gets one more
    head. See `SustainedBoostingClassifier`, which has the same as flat parameters.

    Parameters
    ----------
    residual_weight : float, default=0.5
        How much less the newest head cares for rows that the heads before it have right:
        its loss on a row is weighted ``1 - residual_weight * q``, with ``q`` the probability that
        they give to the true class.
    head_width : int, default=64
        Size of the hidden layer of a head. (Published: 256, behind embeddings of 512.)
    shared_head : bool, default=True
        Whether the output layer behind the hidden layers is one for all modalities, or one for
        each.
    n_heads_init : int or dict of str to int, default=1
        Heads at the start; a dict (with every modality) for unequal numbers.
    max_heads : int or None, default=4
        No modality gets more heads than this. 1 adds none; None sets no limit (as published).
    head_patience : int or None, default=1
        After a modality got a head, its loss on the held-out part must fall; this many checks
        without that, and it gets no more. None does not look (as published), nor can it without a
        held-out part (see `early_stopping`).
    check_every : int or "auto", default="auto"
        Epochs between two checks for a new head. "auto" is a tenth of `max_epochs`.
    assign : {"weakest", "all_weak"}, default="weakest"
        "weakest" gives one head to the modality of least confidence ``s_b`` if the highest,
        ``s_a``, is above ``sigma * s_b * (1 + tau)``. "all_weak" gives one to every modality whose
        confidence is below `theta` times the mean of the others'.
    theta : float, default=0.8
        For "all_weak".
    sigma : float, default=1.0
        For "weakest": ratio of confidences that counts as balanced.
    tau : float, default=0.01
        For "weakest": relative width of the dead zone, in which no head is added.
    score_on : {"train", "valid"}, default="train"
        Rows on which confidence is measured. "valid" needs a held-out part.
    update : {"alternating", "joint"}, default="alternating"
        A step of the optimiser for each modality in turn (as in the published code), or one step
        for all (as in the paper's algorithm).
    head_combine : {"sum", "mean"}, default="sum"
        Whether a modality's summed logits are divided by the number of its heads before they are
        fused ("mean"). Without a fused loss, "sum" (as published) can let a modality with many
        heads drown the others.
    fused_weight : float, default=3.0
        Weight of the cross-entropy of the fused prediction in the loss of every modality. Not in
        the paper (there it is 0): without it the modalities are trained apart from each other, and
        the fusion suffers where most of them are poor. At 3 it weighs as much as the three terms
        of a modality with several heads.
    train_new_heads : bool, default=True
        Whether added heads are trained. The published code leaves them as they were drawn; False
        does so too, and serves as a control.

    Notes
    -----
    With :math:`u_m` the embedding of modality :math:`m`, head :math:`t` gives
    :math:`z_{m,t} = W \operatorname{ReLU}(R_{m,t} u_m + b_{m,t}) + c` and the modality
    :math:`Z_m = \sum_t z_{m,t}`. Its loss is the cross-entropy of :math:`Z_m`, and, from the
    second head on, also that of all heads but the newest and that of the newest alone, the latter
    weighted as `residual_weight` says.

    Published: ``fused_weight=0.0, head_width=256, max_heads=None, head_patience=None``. The
    published code also checks after the very first epoch, whose scores are near chance; that check
    is left out in every form, so that a run has at most nine heads to give where the code has ten.
    The fusion
    is the method's own (``fusion="auto"`` or "late"), and so are the losses of single modalities
    (``unimodal_weight="auto"`` or 0).

    References
    ----------
    .. [1] Jiang, Huang, Yang, "Rethinking Multimodal Learning from the Perspective of Mitigating
       Classification Ability Disproportion", NeurIPS 2025, arXiv 2502.20120.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import SustainedBoosting
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(
    ...     balancing=SustainedBoosting(), max_epochs=5, early_stopping=False, random_state=0
    ... )
    >>> bool(clf.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.7)
    True
    """

    residual_weight: float = 0.5
    head_width: int = 64
    shared_head: bool = True
    n_heads_init: Any = 1
    max_heads: Any = 4
    head_patience: Any = 1
    check_every: Any = "auto"
    assign: str = "weakest"
    theta: float = 0.8
    sigma: float = 1.0
    tau: float = 0.01
    score_on: str = "train"
    update: str = "alternating"
    head_combine: str = "sum"
    fused_weight: float = 3.0
    train_new_heads: bool = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "residual_weight": [Interval(Real, 0, 1, closed="both")],
        "head_width": [Interval(Integral, 1, None, closed="left")],
        "shared_head": ["boolean"],
        "n_heads_init": [Interval(Integral, 1, None, closed="left"), dict],
        "max_heads": [Interval(Integral, 1, None, closed="left"), None],
        "head_patience": [Interval(Integral, 1, None, closed="left"), None],
        "check_every": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "assign": [StrOptions({"weakest", "all_weak"})],
        "theta": [Interval(Real, 0, None, closed="neither")],
        "sigma": [Interval(Real, 1, None, closed="left")],
        "tau": [Interval(Real, 0, None, closed="left")],
        "score_on": [StrOptions({"train", "valid"})],
        "update": [StrOptions({"alternating", "joint"})],
        "head_combine": [StrOptions({"mean", "sum"})],
        "fused_weight": [Interval(Real, 0, None, closed="left")],
        "train_new_heads": ["boolean"],
    }
    _published: ClassVar[Mapping[str, Any]] = {
        "fused_weight": 0.0,
        "head_width": 256,
        "max_heads": None,
        "head_patience": None,
    }
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES,)
    _fusion: ClassVar[str] = "late"
    _fusions: ClassVar[frozenset[str] | None] = frozenset({"late"})
    _unimodal_weight: ClassVar[float] = 0.0
    _other_unimodal_weights: ClassVar[str] = "none"
    _fixed: ClassVar[frozenset[str]] = frozenset({"head_width", "shared_head", "n_heads_init"})
    _takes_parts: ClassVar[bool] = True
    _measures_always: ClassVar[bool] = True  # confidences decide on heads

    # -- the network -----------------------------------------------------------------------

    def prepare(self, max_epochs: int) -> None:
        """A tenth of the epochs between two checks."""
        if self.check_every == "auto":
            self.check_every = max(1, max_epochs // 10)

    def check_network(self, names: list[str], compiled: bool) -> None:
        """Refuse to compile, and a dict that has no fitting number for each modality."""
        if compiled:
            raise ValueError(
                "`compile=True` is not possible here: the network grows while it is trained. Use "
                "compile=False."
            )
        given = self.n_heads_init
        if not isinstance(given, Mapping):
            return
        if set(given) != set(names):
            raise ValueError(
                f"`n_heads_init` must have one entry for each modality of `X`, {sorted(names)}; "
                f"got {sorted(given)}."
            )
        if not all(isinstance(n, Integral) and int(n) >= 1 for n in given.values()):
            raise ValueError(f"`n_heads_init` must have integers of at least 1; got {dict(given)}.")

    def check_training(self, names: list[str], validating: bool) -> None:
        """Refuse to score on held-out rows that are not there."""
        if self.score_on == "valid" and not validating:
            raise ValueError(
                "`score_on='valid'` needs a held-out part, and this fit has none. Set "
                "`early_stopping=True`, or score_on='train'. (partial_fit never has one.)"
            )

    def check_net(self, net: Net) -> None:
        """Refuse an optimiser that cannot take a step a modality."""
        if net.needs_closure_ and self.update == "alternating":
            raise ValueError(
                "`update='alternating'` cannot be had with "
                f"`optimizer={type(net.optimizer_).__name__}`, whose step evaluates the loss "
                "several times. Use update='joint'."
            )

    def make_fusion(
        self, dims: Mapping[str, int], n_classes: int, weights: Mapping[str, float] | None
    ) -> nn.Module | None:
        """Heads, and their fusion."""
        return GrowingHeads(
            dims,
            n_classes,
            width=self.head_width,
            shared=self.shared_head,
            n_heads=self.n_heads_init,
            combine=self.head_combine,
            weights=weights,
            train_new=self.train_new_heads,
        )

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """The log of growth."""
        return _Growing(self._rule())

    def resume(self, net: Net) -> None:
        """Go on under the rule of now."""
        self._growth(net).rule = self._rule()
        heads: Any = net.network.fusion
        heads.combine, heads.train_new = self.head_combine, self.train_new_heads

    def _rule(self) -> AssignmentRule:
        return AssignmentRule(
            check_every=self.check_every,
            assign=self.assign,
            theta=self.theta,
            sigma=self.sigma,
            tau=self.tau,
            score_on=self.score_on,
            max_heads=self.max_heads,
            head_patience=self.head_patience,
        )

    def _growth(self, net: Net) -> HeadGrowth:
        state: Any = net.running(self)
        return state.growth

    # -- between epochs --------------------------------------------------------------------

    def on_epoch_begin(self, net: Net) -> None:
        """Add the heads that are due.

        Here, not at the end of an epoch: by now every callback (early stopping, checkpoints) has
        seen the finished epoch as it was, and a fit never ends on a head that was not trained.
        """
        heads: Any = net.network.fusion
        growth = self._growth(net)
        epoch = len(net.history)
        if not growth.is_due(epoch):
            return
        row = net.history[-1]
        kind = "valid_confidence" if self.score_on == "valid" else "confidence"
        names = list(heads.dims)
        # In a remixed epoch each modality has rows of its own, the hard ones for the weak: its
        # confidence says nothing against the others'.
        scored: Any = next((r for r in reversed(net.history) if not r.get("remixed")), {})
        scores = {m: scored.get(f"{m}__{kind}", float("nan")) for m in names}
        losses = {m: row[f"{m}__valid_loss"] for m in names if f"{m}__valid_loss" in row}
        for name in growth.check(epoch, scores, losses, heads.counts()):
            heads.add_head(name)

    def on_epoch_end(self, net: Net) -> None:
        """Say how many heads there are."""
        heads: Any = net.network.fusion
        for name, n in heads.counts().items():
            net.history.record(f"{name}__n_heads", n)

    def on_train_end(self, net: Net) -> None:
        """Note which heads were lost when the best epoch was restored."""
        heads: Any = net.network.fusion
        self._growth(net).discard_beyond(heads.counts())

    def remembered(self, net: Net) -> dict[str, Any]:
        """What became of the heads so far."""
        return self._growth(net).to_plain()

    def remind(self, net: Net, remembered: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._growth(net).take(remembered)

    def fitted(self, net: Net) -> dict[str, Any]:
        """Number of heads, their log, and the confidences of the last epoch."""
        heads: Any = net.network.fusion
        last = net.history[-1] if len(net.history) else {}
        counts = heads.counts()
        return {
            "n_heads": counts,
            "head_log": self._growth(net).log(),
            "confidence": {m: last.get(f"{m}__confidence", float("nan")) for m in counts},
        }

    # -- a step ----------------------------------------------------------------------------

    def step(self, net: Net, batch: Batch) -> Step | None:
        """A step of the optimiser for each modality in turn, in the order of their names.

        In a remixed epoch a batch has the inputs of one modality, and the step is that of this
        modality; the fused logits are then its own.
        """
        if self.update == "joint":
            return None
        X, codes = batch
        present = X.get("present")
        heads: Any = net.network.fusion
        embeddings: dict[str, Tensor] = {}
        totals: dict[str, Tensor] = {}
        if self.fused_weight:
            # The fused loss of the first modality's step needs the logits of the others. No
            # encoder changes before its own step, so their graphs are used again there.
            with net.autocast():
                embeddings = net.network.encode(X["inputs"], present)
            totals = {m: _total(net, m, u) for m, u in embeddings.items()}
        # with many modalities the fused logits are kept up to date, not added up for every one
        shares: dict[str, Any] = {}
        if len(totals) >= FEWEST:
            shares, fused_so_far = heads.shares(totals, present), heads.fuse(totals, present)
        for name in X["inputs"]:
            if present is not None and not present[name].any():
                totals.setdefault(name, heads.no_logits(len(codes)))
                continue
            # None, not zero: else momentum and weight decay would move what has no gradient
            with net.turn_of(name, batch):
                previous, newest = _split(net, name, X, embeddings)
                total = newest if previous is None else previous + newest
                loss = self._modality_loss(net, previous, newest, batch, name)
                net.note({f"{name}__boosting_loss": loss.detach()})
                if self.fused_weight:
                    if not shares:
                        fused = heads.fuse({**totals, name: total}, present)
                    else:
                        fused = fused_so_far + shares[name] * (total - totals[name])
                        fused_so_far = fused.detach()
                    fused_loss = mean_criterion(net.criterion_, fused, codes, X.get("weight"))
                    loss = loss + self.fused_weight * fused_loss
                loss.backward()
            totals[name] = total.detach()
        logits = heads.fuse(totals, present)
        loss = mean_criterion(net.criterion_, logits, codes, X.get("weight"))
        return {"loss": loss, "y_pred": MultimodalOutput(logits, totals)}

    def gradients(self, net: Net, batch: Batch) -> Step | None:
        """Gradients of the sum of all modalities' losses (``update="joint"``)."""
        X, codes = batch
        present = X.get("present")
        heads: Any = net.network.fusion
        with net.autocast():
            embeddings = net.network.encode(X["inputs"], present)
        totals: dict[str, Tensor] = {}
        losses = []
        for name in X["inputs"]:
            previous, newest = _split(net, name, X, embeddings)
            totals[name] = newest if previous is None else previous + newest
            if present is None or present[name].any():
                losses.append(self._modality_loss(net, previous, newest, batch, name))
                net.note({f"{name}__boosting_loss": losses[-1].detach()})
        logits = heads.fuse(totals, present)
        fused = mean_criterion(net.criterion_, logits, codes, X.get("weight"))
        total = torch.stack(losses).sum()
        if self.fused_weight:
            total = total + self.fused_weight * fused
        total.backward()
        own = {name: z.detach() for name, z in totals.items()}
        # LBFGS looks at the value: it has to be that of what was differentiated.
        loss = total if net.needs_closure_ else fused
        return {"loss": loss.detach(), "y_pred": MultimodalOutput(logits.detach(), own)}

    def _modality_loss(
        self, net: Net, previous: Tensor | None, newest: Tensor, batch: Batch, name: str
    ) -> Tensor:
        """Weighted mean of the boosting loss over the rows that have the modality."""
        X, codes = batch
        weight, present = X.get("weight"), X.get("present")
        if previous is None and weight is None and present is None:
            return mean_criterion(net.criterion_, newest, codes, None)
        losses = boosting_losses(net.criterion_, previous, newest, codes, self.residual_weight)
        if present is None:
            return weighted_mean_loss(losses, weight)
        return mean_where(losses, weight, present[name])


@torch.no_grad()
def _total(net: Net, name: str, u: Tensor) -> Tensor:
    heads: Any = net.network.fusion
    with net.autocast():
        total = heads.total(name, u)
    return total.float() if net.amp else total


def _split(
    net: Net, name: str, X: dict[str, Any], embeddings: dict[str, Tensor]
) -> tuple[Tensor | None, Tensor]:
    heads: Any = net.network.fusion
    with net.autocast():
        u = embeddings.get(name)
        if u is None:
            u = net.network.encode({name: X["inputs"][name]}, X.get("present"))[name]
        previous, newest = heads.split(name, u)
    if net.amp:
        return (None if previous is None else previous.float()), newest.float()
    return previous, newest
