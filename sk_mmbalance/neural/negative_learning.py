"""`NegativeLearningClassifier`: a sure modality shows an unsure one what the wrong classes are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from ..base import PublishedFormMixin
from ..networks import MultimodalOutput, weighted_mean_loss
from ._training import TrainingPlan
from .classifier import BaseMultimodalClassifier
from .guidance import Roles, find_roles, guidance_loss
from .net import MultimodalNet
from .robustness import robustness_bound


class NegativeLearningNet(MultimodalNet):
    """Late fusion with a loss per modality, and guidance between the modalities.

    Parameters
    ----------
    *args
        As in `MultimodalNet`.
    negative_weight, target_boost, reduction, warmup_epochs, guide, negative, require_correct
        As in `NegativeLearningClassifier`.
    **kwargs
        As in `MultimodalNet`.
    """

    def __init__(
        self,
        *args: Any,
        negative_weight: float = 0.7,
        target_boost: float = 1.0,
        reduction: str = "code",
        warmup_epochs: int = 0,
        guide: str = "best",
        negative: str = "cross_entropy",
        require_correct: bool = False,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.negative_weight = negative_weight
        self.target_boost = target_boost
        self.reduction = reduction
        self.warmup_epochs = warmup_epochs
        self.guide = guide
        self.negative = negative
        self.require_correct = require_correct
        self._sums: list[Tensor] = []

    @property
    def guiding(self) -> bool:
        """Whether there is guidance in this epoch."""
        epoch = len(self.history) - 1
        before_remixing = self.remixing is None or epoch < self.remixing.after
        wanted = bool(self.negative_weight or self.target_boost)
        return wanted and before_remixing and epoch >= self.warmup_epochs

    def get_loss(
        self, y_pred: MultimodalOutput, y_true: Tensor, X: Any = None, training: bool = False
    ) -> Tensor:
        """Cross-entropies of late fusion and of every modality; in training also guidance."""
        loss = super().get_loss(y_pred, y_true, X=X, training=training)
        guiding = self.guiding
        if not training or not (guiding or self.measuring) or len(y_pred.unimodal) < 2:
            return loss
        log_q = F.log_softmax(torch.stack(list(y_pred.unimodal.values()), dim=1), dim=2)
        present = None
        if "present" in X:
            present = torch.stack([X["present"][name] for name in y_pred.unimodal], dim=1)
        roles = find_roles(log_q, y_pred.logits, y_true, present, self.guide, self.require_correct)
        if self.measuring:
            self._measure(roles, present)
        if not guiding:
            return loss
        renormalised = self.negative == "renormalised"
        guidance = weighted_mean_loss(
            guidance_loss(
                log_q, y_true, roles.guides, self.negative_weight, self.target_boost, renormalised
            ),
            X.get("weight"),
        )
        return loss + (guidance / log_q.shape[2] if self.reduction == "code" else guidance)

    # -- figures of an epoch ---------------------------------------------------------------

    def _measure(self, roles: Roles, present: Tensor | None) -> None:
        margins, guides = roles
        having = torch.ones_like(margins) if present is None else present.to(margins.dtype)
        sums = [
            having.sum(dim=0),
            torch.where(having > 0, margins, 0).sum(dim=0),
            (guides > 0).sum(dim=0).to(margins.dtype),
            having.new_tensor(len(having)),
        ]
        if self._sums:
            sums = [a + b for a, b in zip(self._sums, sums, strict=True)]
        self._sums = sums

    def on_epoch_begin(self, *args: Any, **kwargs: Any) -> None:
        """Start measuring anew."""
        super().on_epoch_begin(*args, **kwargs)
        self._sums = []

    def on_epoch_end(self, *args: Any, **kwargs: Any) -> None:
        """Record mean margins, and the share of rows in which one modality guided another."""
        if self._sums:
            names = self._module().names
            having, margins, guided, n_rows = (value.cpu().numpy() for value in self._sums)
            for k, name in enumerate(names):
                mean = margins[k] / having[k] if having[k] else float("nan")
                self.history.record(f"{name}__margin", float(mean))
            for m, k in permutations(range(len(names)), 2):
                share = float(guided[m, k] / n_rows) if self.guiding else 0.0
                self.history.record(f"{names[k]}__guided_by_{names[m]}", share)
        self._sums = []
        super().on_epoch_end(*args, **kwargs)


@dataclass(kw_only=True, eq=False, repr=False)
class NegativeLearningClassifier(PublishedFormMixin, BaseMultimodalClassifier):
    """Late fusion in which the surer modality teaches the others the wrong classes.

    Every modality has its own network and linear classifier; the prediction is the weighted mean
    of their logits. For each row, and anew in every step, a modality that has both a larger
    margin and a larger probability of the true class than another one becomes its guide: the
    other learns from it how to spread probability over the *wrong* classes, and is never asked to
    copy the guide's belief in the right one. Meant for three classes or more; with two the
    guidance is label smoothing that fades as the guide becomes sure.

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
    warmup_epochs : int, default=0
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

    Attributes
    ----------
    history_ : DataFrame
        Has besides (see below) ``face__margin``, the mean margin ``z_m[y] - z_m[j]`` of modality
        "face", and ``face__guided_by_voice``, the share of rows in which "voice" guided "face".

    See Also
    --------
    MultimodalClassifier : With ``fusion="late", unimodal_weight=1.0`` the same without guidance.
    DataRemixingClassifier : Balances by giving each modality rows of its own.

    Notes
    -----
    The defaults are the form of the published code (and `published` gives just them), for two
    modalities; the form for more of them is our reconstruction. Margins of heads with different
    scales are compared as they are. With ``remix_after=k`` there is guidance in the first k epochs
    only.

    On the middle-sized feature sets that we tried, guidance was worth nothing measurable beyond
    the loss per modality; see the user guide.

    References
    ----------
    .. [1] "Multimodal Negative Learning", NeurIPS 2025, arXiv 2510.20877.

    Examples
    --------
    >>> from sk_mmbalance import NegativeLearningClassifier
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = NegativeLearningClassifier(max_epochs=5, early_stopping=False, random_state=0)
    >>> bool(clf.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.8)
    True
    """

    negative_weight: float = 0.7
    target_boost: float = 1.0
    reduction: str = "code"
    warmup_epochs: int = 0
    guide: str = "best"
    negative: str = "cross_entropy"
    require_correct: bool = False

    _net_class: ClassVar[type[MultimodalNet]] = NegativeLearningNet

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultimodalClassifier._parameter_constraints,
        "negative_weight": [Interval(Real, 0, None, closed="left")],
        "target_boost": [Interval(Real, 0, None, closed="left")],
        "reduction": [StrOptions({"mean", "code"})],
        "warmup_epochs": [Interval(Integral, 0, None, closed="left")],
        "guide": [StrOptions({"best", "mean"})],
        "negative": [StrOptions({"cross_entropy", "renormalised"})],
        "require_correct": ["boolean"],
    }

    def _net_options(self) -> dict[str, Any]:
        return {
            "unimodal_weight": 1.0,  # without these losses the negative term has no floor
            "negative_weight": self.negative_weight,
            "target_boost": self.target_boost,
            "reduction": self.reduction,
            "warmup_epochs": self.warmup_epochs,
            "guide": self.guide,
            "negative": self.negative,
            "require_correct": self.require_correct,
        }

    def _fusion(self) -> tuple[Any, dict[str, Any]]:
        return "late", {"weights": self._late_weights()}

    def _continue_net(self, net: Any, plan: TrainingPlan, validating: bool) -> None:
        super()._continue_net(net, plan, validating)
        net.set_params(**self._net_options())

    def robustness_margin(self, X: Any, y: Any, lipschitz: Any = None) -> Bunch:
        """Margins of rows, and how large a disturbance must be to change their prediction.

        If no margin function ``z_m[y] - z_m[c]`` of modality m changes by more than ``tau_m`` times
        the Euclidean length of a change of its input, then no joint change of the inputs that is
        shorter than ::

            R = min_{c != y}  sum_m w_m xi_m(c) / sqrt(sum_m (w_m tau_m)^2)

        with ``xi_m(c) = z_m[y] - z_m[c]`` turns a row's prediction away from its true class.

        This is no guarantee that training gives: the loss does not control ``tau_m``, a bound on
        which is yours to give (the margins' growth over the training rows is a lower bound, not
        an upper one), and with loose constants the bound says little. The weights are those of
        the fusion, constant over the rows save for missing modalities; a missing modality is
        not disturbed.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.
        y : array-like of shape (n_samples,)
            True labels.
        lipschitz : float or dict of str to float, default=None
            ``tau_m``, one for all modalities or one for each. None computes no bound.

        Returns
        -------
        Bunch
            - ``margins`` : dict of str to ndarray of shape (n_samples,), ``z_m[y] - z_m[j]``; NaN
              in rows that lack the modality;
            - ``fused_margin`` : ndarray of shape (n_samples,), their weighted mean;
            - ``runner_up`` : ndarray of shape (n_samples,), the label j, the likeliest wrong class
              of the fused prediction;
            - ``bound`` : ndarray of shape (n_samples,), R, and 0 where the prediction is wrong
              already; None without `lipschitz`.
        """
        checked, rows = self._rows_for_prediction(X)
        _, codes = self._read_labels(y, checked.n_samples, classes=self.classes_)
        output = self.net_.evaluate_rows(rows)
        names = list(checked.names)
        fitted = self._fitted_fusion
        if fitted is not None:
            weights = fitted.by_row(checked.present)
        else:
            given = self.net_._module().fusion.weights
            weights = np.array([given[name] for name in names])
        tau = _read_lipschitz(lipschitz, names)
        logits = np.stack([output.unimodal[name].numpy() for name in names], axis=1)
        found = robustness_bound(logits, codes, checked.present, weights, tau)
        return Bunch(
            margins={name: found.margins[:, k] for k, name in enumerate(names)},
            fused_margin=found.fused_margin,
            runner_up=self.classes_[found.runner_up],
            bound=found.bound,
        )


def _read_lipschitz(lipschitz: Any, names: list[str]) -> np.ndarray | None:
    if lipschitz is None:
        return None
    if not isinstance(lipschitz, Mapping):
        lipschitz = dict.fromkeys(names, lipschitz)
    if sorted(lipschitz) != names:
        raise ValueError(
            f"`lipschitz` must be a number or name every modality of `X`, {names}; got "
            f"{sorted(lipschitz)}."
        )
    _positive("lipschitz", lipschitz)
    return np.array([float(lipschitz[name]) for name in names])


def _positive(parameter: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if not (isinstance(value, Real) and 0 < float(value) < float("inf")):
            raise ValueError(
                f"`{parameter}` must be positive and finite; got {value!r} for {name!r}."
            )
