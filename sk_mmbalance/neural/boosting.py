"""`SustainedBoostingClassifier`: more classifier heads for the modality that is behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions

from ..base import PublishedFormMixin
from ._assignment import AssignmentRule, HeadGrowth
from ._boosting_net import BoostingNet
from ._heads import GrowingHeads
from ._training import TrainingPlan
from .classifier import BaseMultimodalClassifier
from .data import GivenRows
from .net import MultimodalNet


@dataclass(kw_only=True, eq=False, repr=False)
class SustainedBoostingClassifier(PublishedFormMixin, BaseMultimodalClassifier):
    r"""Sustained boosting: heads are added to the modality that is behind, as training goes.

    Every modality has a classifier and a loss of its own, and is trained in its own steps. At
    intervals the modality that gives the least probability to the true classes gets one more
    head, which concentrates on the rows that the heads before it get wrong. The prediction is a
    mean of the modalities' logits.

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

    Attributes
    ----------
    n_heads_ : dict of str to int
        Number of heads of every modality.
    head_log_ : DataFrame
        One row for each head that was "added", "blocked" (by `max_heads`) or whose modality was
        "stopped" (by `head_patience`): ``epoch, modality, event, n_before, n_after, rule_value,
        discarded`` and the confidences. ``discarded`` marks heads that were lost when the best
        epoch was restored.
    confidence_ : dict of str to float
        Mean probability that each modality gives to the true class, over the training rows of the
        last epoch.

    See Also
    --------
    sk_mmbalance.MultimodalClassifier : Joint training, with or without a loss per modality.

    Notes
    -----
    With :math:`u_m` the embedding of modality :math:`m`, head :math:`t` gives
    :math:`z_{m,t} = W \operatorname{ReLU}(R_{m,t} u_m + b_{m,t}) + c` and the modality
    :math:`Z_m = \sum_t z_{m,t}`. Its loss is the cross-entropy of :math:`Z_m`, and, from the
    second head on, also that of all heads but the newest and that of the newest alone, the latter
    weighted as `residual_weight` says.

    `published` makes the published form, which has ``fused_weight=0.0, head_width=256,
    max_heads=None, head_patience=None``: no fused loss, larger heads, and nothing that stops their
    growth.

    With one modality no head is ever added: this is then ordinary training.

    ``set_params`` on the net inside (``net_``) with ``optimizer__...`` rebuilds the optimiser for
    all heads at hand; its momentum is lost.

    References
    ----------
    .. [1] Jiang, Huang, Yang, "Rethinking Multimodal Learning from the Perspective of Mitigating
       Classification Ability Disproportion", NeurIPS 2025, arXiv 2502.20120. The rule for any
       number of modalities, the stop rule, the cap on heads, the mean over heads and the fused
       loss are ours.

    Examples
    --------
    >>> from sk_mmbalance import SustainedBoostingClassifier
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = SustainedBoostingClassifier(max_epochs=5, early_stopping=False, random_state=0)
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

    _published: ClassVar[Mapping[str, Any]] = {
        "fused_weight": 0.0,
        "head_width": 256,
        "max_heads": None,
        "head_patience": None,
    }
    _net_class: ClassVar[type[MultimodalNet]] = BoostingNet

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultimodalClassifier._parameter_constraints,
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

    # -- the network -----------------------------------------------------------------------

    def _fusion(self) -> tuple[Any, dict[str, Any]]:
        return GrowingHeads, {
            "width": self.head_width,
            "shared": self.shared_head,
            "n_heads": self.n_heads_init,
            "combine": self.head_combine,
            "weights": self._late_weights(),
            "train_new": self.train_new_heads,
        }

    def _make_module(
        self, shapes: dict[str, tuple[int, ...]], n_classes: int, dtype: torch.dtype
    ) -> Any:
        if self.compile:
            raise ValueError(
                "`compile=True` is not possible here: the network grows while it is trained. Use "
                "compile=False."
            )
        self._check_heads_init(shapes)
        return super()._make_module(shapes, n_classes, dtype)

    def _check_heads_init(self, names: Mapping[str, Any]) -> None:
        """Refuse a dict that does not have a fitting number for each modality."""
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

    # -- the net ---------------------------------------------------------------------------

    def _rule(self) -> AssignmentRule:
        every = self.check_every
        return AssignmentRule(
            check_every=max(1, self.max_epochs // 10) if every == "auto" else every,
            assign=self.assign,
            theta=self.theta,
            sigma=self.sigma,
            tau=self.tau,
            score_on=self.score_on,
            max_heads=self.max_heads,
            head_patience=self.head_patience,
        )

    def _net_options(self) -> dict[str, Any]:
        return {
            "growth": HeadGrowth(self._rule()),
            "residual_weight": self.residual_weight,
            "fused_weight": self.fused_weight,
            "update": self.update,
        }

    def _continue_net(self, net: Any, plan: TrainingPlan, validating: bool) -> None:
        super()._continue_net(net, plan, validating)
        net.growth.rule = self._rule()
        net.set_params(
            residual_weight=self.residual_weight,
            fused_weight=self.fused_weight,
            update=self.update,
        )
        self._check_fusion_weights(list(net._heads().dims))
        net._heads().set_fusion(self.head_combine, self._late_weights())

    def _check_net(self, net: Any) -> None:
        if net.needs_closure_ and self.update == "alternating":
            raise ValueError(
                f"`update='alternating'` cannot be had with `optimizer={self.optimizer!r}`, whose "
                "step evaluates the loss several times. Use update='joint'."
            )

    def _train(
        self, given: GivenRows, train: np.ndarray, valid: np.ndarray | None, *args: Any, **kw: Any
    ) -> Any:
        if self.score_on == "valid" and valid is None:
            raise ValueError(
                "`score_on='valid'` needs a held-out part, and this fit has none. Set "
                "`early_stopping=True`, or score_on='train'. (partial_fit never has one.)"
            )
        return super()._train(given, train, valid, *args, **kw)

    def _remember(
        self, checked: Any, classes: np.ndarray, net: Any, seed: int, fusion: Any = None
    ) -> None:
        super()._remember(checked, classes, net, seed, fusion)
        self.n_heads_ = net._heads().counts()
        self.head_log_ = net.growth.log()
        last = net.history[-1] if len(net.history) else {}
        self.confidence_ = {
            name: last.get(f"{name}__confidence", float("nan")) for name in self.n_heads_
        }

    # -- predicting ------------------------------------------------------------------------

    def staged_predict_proba(self, X: Any) -> Iterator[np.ndarray]:
        """Class probabilities with the first head of every modality, the first two, and so on.

        A modality that has fewer heads takes part with all of them. The last stage is
        `predict_proba`.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Yields
        ------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``.
        """
        _, rows = self._rows_for_prediction(X)
        fitted = self._fitted_fusion
        for stage in range(1, max(self.n_heads_.values()) + 1):
            output = self.net_.staged_output(rows, stage)
            scores = output.logits if fitted is None else fitted.scores(output, rows.present)
            yield F.softmax(scores, dim=1).numpy()
