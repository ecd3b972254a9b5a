"""`NegativeLearningClassifier`: a sure modality shows an unsure one what the wrong classes are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ..balancing import NegativeLearning
from ..base import PublishedFormMixin
from ._classifier import BaseMultimodalClassifier
from ._robustness import robustness_bound


@dataclass(kw_only=True, eq=False, repr=False)
class NegativeLearningClassifier(
    PublishedFormMixin,
    BaseMultimodalClassifier,
    preset_of=NegativeLearning,
    called={"start_epoch": "warmup_epochs"},
):
    """Late fusion in which the surer modality teaches the others the wrong classes.

    Every modality has its own network and linear classifier; the prediction is the weighted mean
    of their logits. For each row, and anew in every step, a modality that has both a larger
    margin and a larger probability of the true class than another one becomes its guide: the
    other learns from it how to spread probability over the *wrong* classes, and is never asked to
    copy the guide's belief in the right one. Meant for three classes or more; with two the
    guidance is label smoothing that fades as the guide becomes sure.

    Attributes
    ----------
    history_ : DataFrame
        Has besides (see below) ``face__margin``, the mean margin ``z_m[y] - z_m[j]`` of modality
        "face", and ``face__guided_by_voice``, the share of rows in which "voice" guided "face"; of
        more than 30 modalities ``face__guided``, the share in which any guided it.

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
        codes = self._target.encode(y, checked.n_samples)
        output = self.net_.evaluate_rows(rows)
        names = list(checked.names)
        fitted = self._fitted_fusion
        if fitted is not None:
            weights = fitted.by_row(checked.present)
        else:
            given = self.net_.network.fusion.weights
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
