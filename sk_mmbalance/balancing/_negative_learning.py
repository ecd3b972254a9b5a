"""`NegativeLearning`: a sure modality shows an unsure one what the wrong classes are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..base import CLASSES
from ..networks import Batch, MultimodalOutput, weighted_mean_loss
from ._base import Balancing, switched_on
from ._guidance import find_roles, guidance_loss
from ._protocol import Net

#: Up to so many modalities, the history tells who guided whom, a column a pair; beyond, in how many
#: rows each was guided.
MOST_PAIRS = 30


@dataclass(kw_only=True, eq=False, repr=False)
class NegativeLearning(Balancing):
    """Late fusion in which the surer modality teaches the others the wrong classes.

    For each row, and anew in every step, a modality that has both a larger margin and a larger
    probability of the true class than another one becomes its guide: the other learns from it how
    to spread probability over the *wrong* classes. See `NegativeLearningClassifier`, which has the
    same as flat parameters.

    Parameters
    ----------
    negative_weight : float, default=0.7
        Strength of the negative term, lambda.
    target_boost : float, default=1.0
        Weight b of one more cross-entropy on guided modalities. The published code has 1, the
        paper's text 0.
    reduction : {"code", "mean"}, default="code"
        "code" divides the guidance by the rows of the batch times the classes, as the published
        code does; "mean" by the rows alone, which makes it as many times stronger as there are
        classes. The stronger form was no more accurate where we tried it, and worse under noise.
    start_epoch : int, default=0
        Epochs without guidance at the beginning. `partial_fit` and ``warm_start`` count on, so
        they do not repeat it.
    guide : {"best", "mean"}, default="best"
        Who guides if several may: the one with the largest margin, or all to equal parts.
    negative : {"cross_entropy", "renormalised"}, default="cross_entropy"
        The negative term: ``-sum_{c != y} p_c log q_c``, or (ours) the Kullback-Leibler divergence
        of both distributions restricted to the wrong classes and renormalised, which has no
        gradient on the true class.
    require_correct : bool, default=False
        Whether a guide must itself predict the true class (ours). The plain rule is relative only:
        a wrong modality may guide one that is more wrong.

    Notes
    -----
    The defaults are the form of the published code, for two modalities; the form for more of them
    is our reconstruction. Without a loss per modality the negative term has no floor:
    ``unimodal_weight`` has to be above 0.

    References
    ----------
    .. [1] "Multimodal Negative Learning", NeurIPS 2025, arXiv 2510.20877.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import NegativeLearning
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(
    ...     balancing=NegativeLearning(), max_epochs=5, early_stopping=False, random_state=0
    ... )
    >>> bool(clf.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.8)
    True
    """

    negative_weight: float = 0.7
    target_boost: float = 1.0
    reduction: str = "code"
    start_epoch: int = 0
    guide: str = "best"
    negative: str = "cross_entropy"
    require_correct: bool = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "negative_weight": [Interval(Real, 0, None, closed="left")],
        "target_boost": [Interval(Real, 0, None, closed="left")],
        "reduction": [StrOptions({"mean", "code"})],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "guide": [StrOptions({"best", "mean"})],
        "negative": [StrOptions({"cross_entropy", "renormalised"})],
        "require_correct": ["boolean"],
    }
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES,)
    _fusion: ClassVar[str] = "late"
    _fusions: ClassVar[frozenset[str] | None] = frozenset({"late"})
    _other_unimodal_weights: ClassVar[str] = "positive"
    _stacks: ClassVar[bool] = True
    _stacked_numbers: ClassVar[frozenset[str]] = frozenset({"negative_weight", "target_boost"})

    def _guides(self, net: Net) -> bool:
        wanted = switched_on(self.negative_weight) or switched_on(self.target_boost)
        return wanted and self.acts(net)

    def needs_own_logits(self, net: Net) -> bool:
        """For margins and guidance."""
        return True

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Add the guidance."""
        X, y = batch
        guiding = self._guides(net)
        if not (guiding or net.measuring) or len(output.unimodal) < 2:
            return loss
        z = torch.stack(list(output.unimodal.values()), dim=1)
        log_q = F.log_softmax(z, dim=2)
        present = None
        if "present" in X:
            present = torch.stack([X["present"][name] for name in output.unimodal], dim=1)
        margins, guides = find_roles(
            z,
            log_q,
            output.logits,
            y,
            present,
            self.guide,
            self.require_correct,
            in_pairs=self.guide != "best" or z.shape[1] <= MOST_PAIRS,
        )
        if net.measuring:
            _measure(net, margins, guides, present)
        if not guiding:
            return loss
        losses = guidance_loss(
            log_q,
            y,
            guides,
            self.negative_weight,
            self.target_boost,
            self.negative == "renormalised",
        )
        guidance = weighted_mean_loss(losses, X.get("weight"))
        return loss + (guidance / log_q.shape[2] if self.reduction == "code" else guidance)

    def on_epoch_end(self, net: Net) -> None:
        """Record mean margins, and the share of rows in which one modality guided another."""
        if "having" not in net.sums:
            return
        names = net.network.names
        keys = ("having", "margins", "guided", "n_rows")
        having, margins, guided, n_rows = (net.sums[key].cpu().numpy() for key in keys)
        for k, name in enumerate(names):
            mean = margins[k] / having[k] if having[k] else float("nan")
            net.history.record(f"{name}__margin", float(mean))
        shares = guided / n_rows if self._guides(net) else 0.0 * guided
        if shares.ndim == 1:
            for k, name in enumerate(names):
                net.history.record(f"{name}__guided", float(shares[k]))
            return
        for m, k in permutations(range(len(names)), 2):
            net.history.record(f"{names[k]}__guided_by_{names[m]}", float(shares[m, k]))


def _measure(net: Net, margins: Tensor, guides: Tensor, present: Tensor | None) -> None:
    having = torch.ones_like(margins) if present is None else present.to(margins.dtype)
    net.add_up("having", having.sum(dim=0))
    net.add_up("margins", torch.where(having > 0, margins, 0).sum(dim=0))
    guided = guides >= 0 if guides.ndim == 2 else guides > 0
    if guides.ndim == 3 and guides.shape[1] > MOST_PAIRS:
        guided = guided.any(dim=1)
    net.add_up("guided", guided.sum(dim=0).to(margins.dtype))
    net.add_up("n_rows", having.new_tensor(len(having)))
