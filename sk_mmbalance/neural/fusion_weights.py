"""Fusion weights fitted by the convex opinion pool, on rows the networks were not trained on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils._param_validation import StrOptions

from ..convex import fit_opinion_pool
from .data import ModalityRows
from .logit_pool import FIT, LogitPool

#: Complete rows from which on the others are left out of the fit: a row that lacks a modality
#: says nothing of how the weights are best shared with it.
COMPLETE_ROWS = 50

#: What the parameters `fusion_weights` and `cv` may be.
WEIGHTS_CONSTRAINTS: dict[str, list[Any]] = {
    "fusion_weights": [dict, StrOptions({FIT}), None],
    "cv": ["cv_object"],
}


def check_fusion_weights(weights: Any, names: Any) -> None:
    """Refuse anything but None, "fit" and a positive number for each modality."""
    if weights is None or (isinstance(weights, str) and weights == FIT):
        return
    if sorted(weights) != sorted(names):
        raise ValueError(
            f"`fusion_weights` must name every modality of `X`, {sorted(names)}; got "
            f"{sorted(weights)}."
        )
    if not all(isinstance(w, Real) and 0 < float(w) < float("inf") for w in weights.values()):
        raise ValueError(
            "`fusion_weights` must be positive and finite (leave a modality out of `X` to do "
            f"without it); got {dict(weights)}."
        )


def make_folds(
    cv: Any, codes: np.ndarray, groups: np.ndarray | None, kept: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on and rows to predict, among those kept.

    A number of folds is stratified by class, or of whole groups; rows that are not kept (for want
    of weight) do not change it. Splits of your own count all rows.
    """
    if not (cv is None or isinstance(cv, Integral)):
        whole = np.zeros((len(codes), 1))
        splits = check_cv(cv, codes, classifier=True).split(whole, codes, groups)
        cut = [(np.intersect1d(a, kept), np.intersect1d(b, kept)) for a, b in splits]
        return [(train, test) for train, test in cut if len(train) and len(test)]
    n_folds, y = 5 if cv is None else int(cv), codes[kept]
    if groups is None:
        rarest = int(np.bincount(y)[np.unique(y)].min())
        splitter: Any = StratifiedKFold(max(2, min(n_folds, rarest)))
    else:
        n_groups = len(np.unique(groups[kept]))
        if n_groups < 2:
            raise ValueError(
                "`groups` has a single group, which cannot be split to fit the fusion's weights. "
                "Leave `groups` out if rows are independent, or pass `fusion_weights=None`."
            )
        splitter = StratifiedGroupKFold(min(n_folds, n_groups))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes with fewer rows than folds
        inside = groups if groups is None else groups[kept]
        return [(kept[a], kept[b]) for a, b in splitter.split(y, y, inside) if len(b)]


def fits_weights(estimator: Any) -> bool:
    """Whether the estimator's parameters ask for fitted weights."""
    weights = getattr(estimator, "fusion_weights", None)
    return isinstance(weights, str) and weights == FIT


def fit_fusion_weights(
    estimator: Any,
    net: Any,
    train_new: Callable[..., Any],
    rows: Callable[[np.ndarray], ModalityRows],
    codes: np.ndarray,
    weight: np.ndarray | None,
    groups: np.ndarray | None,
    parts: tuple[np.ndarray, np.ndarray | None],
    seed: int,
) -> None:
    """Fit the weights of a trained net's fusion.

    On the held-out part of early stopping, if there is one and `cv` is None; else on the
    predictions of networks that are trained like this one on the other folds.

    Parameters
    ----------
    estimator : estimator
        Says `cv`, and how a fold's training rows are split again for early stopping.
    net : MultimodalNet
        The trained net; its fusion is changed.
    train_new : callable
        Trains a net: ``train_new(rows, held_out_rows, n_epochs) -> net, interrupted``.
    rows : callable
        Tensors of rows by number.
    codes, weight, groups : ndarray of shape (n_samples,)
        Classes, weights and groups of all rows (the latter two or None).
    parts : tuple of ndarray
        Numbers of the rows trained on, and of those held out (or None).
    seed : int
        Seed of the splits.
    """
    pool = net._module().fusion.pool
    if len(pool.names) == 1:
        return  # nothing to weigh
    train, valid = parts
    if valid is not None and estimator.cv is None:
        pieces = [(net, valid)]
    else:
        kept = train if valid is None else np.sort(np.concatenate([train, valid]))
        pieces = []
        for fold, test in make_folds(estimator.cv, codes, groups, kept):
            in_fold = np.isin(np.arange(len(codes)), fold)
            part, held_out = estimator._split(codes, in_fold, groups, seed)
            fold_net, interrupted = train_new(part, held_out, len(net.history))
            if interrupted:
                raise KeyboardInterrupt
            pieces.append((fold_net, test))
    found = [(_own_logits(n, rows(test)), _presence(rows(test), pool.names)) for n, test in pieces]
    which = np.concatenate([test for _, test in pieces])
    pool.set_fitted(
        fit_weights(
            np.concatenate([logits for logits, _ in found]),
            codes[which],
            None if weight is None else weight[which],
            np.concatenate([present for _, present in found]),
        )
    )


def forget_weights(net: Any) -> None:
    """Weigh equally again, for more training."""
    pool = _pool(net)
    if pool is not None and pool.fitted is not None:
        pool.set_fitted(None)


def remember_weights(estimator: Any) -> None:
    """Show the weights in force as ``fusion_weights_``, if the fusion has any."""
    pool = _pool(estimator.net_)
    if pool is not None:
        scale = 1.0 if pool.fitted is not None else sum(pool.given.values())
        estimator.fusion_weights_ = {m: w / scale for m, w in pool.weights.items()}
    elif hasattr(estimator, "fusion_weights_"):
        del estimator.fusion_weights_


def _pool(net: Any) -> LogitPool | None:
    pool = getattr(net._module().fusion, "pool", None)
    return pool if isinstance(pool, LogitPool) else None


def _own_logits(net: Any, rows: ModalityRows) -> np.ndarray:
    """The modalities' logits as the fusion takes them: (n_samples, n_modalities, n_classes)."""
    fusion = net._module().fusion
    own = fusion.comparable(net.evaluate_rows(rows).unimodal)
    return np.stack([own[name].double().numpy() for name in fusion.pool.names], axis=1)


def _presence(rows: ModalityRows, names: list[str]) -> np.ndarray:
    """Which modalities the rows have: (n_samples, n_modalities)."""
    if rows.present is None:
        return np.ones((len(rows), len(names)), dtype=bool)
    return np.stack([rows.present[name].cpu().numpy() for name in names], axis=1)


def fit_weights(
    logits: np.ndarray, codes: np.ndarray, weight: np.ndarray | None, present: np.ndarray
) -> np.ndarray:
    """Weights of the modalities in the convex opinion pool of their logits.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_modalities, n_classes)
        Of rows the networks were not trained on.
    codes : ndarray of int of shape (n_samples,)
        Their classes.
    weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    present : ndarray of bool of shape (n_samples, n_modalities)
        Which modalities the rows have.

    Returns
    -------
    ndarray of shape (n_modalities,)
        Not negative; a share of the fusion times an inverse temperature.
    """
    whole = present.all(axis=1)
    if weight is not None:
        whole &= weight > 0
    if whole.sum() >= COMPLETE_ROWS:
        logits, codes, present = logits[whole], codes[whole], present[whole]
        weight = None if weight is None else weight[whole]
    log_proba = log_softmax(np.where(present[:, :, None], logits, 0.0), axis=2)
    log_proba[~present] = 0.0
    weights = fit_opinion_pool(log_proba, codes, sample_weight=weight, present=present).weights
    return _even_out(weights, log_proba)


def _even_out(weights: np.ndarray, log_proba: np.ndarray) -> np.ndarray:
    """Share weight evenly among modalities that say the same: any split of it is a solution."""
    shared = weights.copy()
    for m in range(len(weights)):
        same = [k for k in range(len(weights)) if np.array_equal(log_proba[:, m], log_proba[:, k])]
        shared[m] = weights[same].mean()
    return shared
