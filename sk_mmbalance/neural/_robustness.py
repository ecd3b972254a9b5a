"""How far the inputs of a late fusion may move before its prediction turns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Robustness(NamedTuple):
    """See `NegativeLearningClassifier.robustness_margin`; ``runner_up`` holds class codes."""

    margins: np.ndarray
    fused_margin: np.ndarray
    runner_up: np.ndarray
    bound: np.ndarray | None


def robustness_bound(
    logits: np.ndarray,
    codes: np.ndarray,
    present: np.ndarray,
    weights: np.ndarray,
    lipschitz: np.ndarray | None = None,
) -> Robustness:
    """Margins and ``R = min_{c != y} sum_m w_m xi_m(c) / sqrt(sum_m (w_m tau_m)^2)``.

    The fused margin changes by at most ``sum_m w_m tau_m |d_m|`` when the inputs change by
    ``d_m``, which by Cauchy and Schwarz is at most ``sqrt(sum_m (w_m tau_m)^2) |d|``.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_modalities, n_classes)
        Unimodal logits.
    codes : ndarray of shape (n_samples,)
        True classes.
    present : ndarray of bool of shape (n_samples, n_modalities)
        Modalities that a row has.
    weights : ndarray of shape (n_modalities,) or (n_samples, n_modalities)
        Weights of the fusion, before they are renormalised over the modalities present.
    lipschitz : ndarray of shape (n_modalities,), default=None
        ``tau_m``.
    """
    shares = present * weights
    shares = shares / shares.sum(axis=1, keepdims=True)
    rows = np.arange(len(codes))
    xi = np.where(present[:, :, None], logits[rows, :, codes][:, :, None] - logits, 0.0)
    fused = np.einsum("nm,nmc->nc", shares, xi)  # z[y] - z[c] for every class c
    fused[rows, codes] = np.inf
    runner_up = fused.argmin(axis=1)
    margins = np.where(present, xi[rows, :, runner_up], np.nan)
    smallest = fused[rows, runner_up]
    bound = None
    if lipschitz is not None:
        bound = np.maximum(smallest, 0) / np.sqrt(((shares * lipschitz) ** 2).sum(axis=1))
    return Robustness(margins, smallest, runner_up, bound)
