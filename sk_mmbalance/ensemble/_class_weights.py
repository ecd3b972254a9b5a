"""How far the pool's weights may differ by class: chosen by the loss of rows held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ._pooling import Opinions, pool_logs

#: What one class's weight above the common one may cost, in units of what a common one costs:
#: nearly free to dear. Common weights are always compared too.
CLASS_PENALTIES = (0.3, 1.0, 3.0)

#: Weights by expert and class beyond which a step of the solver takes seconds: they stay common.
MOST_WEIGHTS = 600

#: Rows times weights times weights of a step of the solver, some 150 of which are compared: beyond,
#: the comparison is on some of the rows.
MOST_WORK = 2e8

#: Rows a class, on average, below which nothing is compared.
FEWEST_ROWS_A_CLASS = 10

#: Standard errors (over folds) by which weights by class have to beat common ones.
BY_STANDARD_ERRORS = 2.0

#: Duality gap of the compared weights: the differences that matter are larger by far.
ROUGHLY = 1e-4

#: Stands for weights that are common to all classes.
COMMON = float("inf")


def choose_class_penalty(opinions: Opinions, fold_of: np.ndarray) -> dict[float, float]:
    """Loss of rows held out by penalty, the chosen penalty first.

    Weights are learnt on the out-of-fold opinions of all folds but one, and judged on that one.
    Common weights are left only for a penalty that is better by two standard errors of the
    difference over folds.

    Parameters
    ----------
    opinions : Opinions
        Out-of-fold log-probabilities.
    fold_of : ndarray of int of shape (n_samples,)
        The fold in which each row was tested.

    Returns
    -------
    losses : dict of float to float
        Empty where nothing can be compared: too many weights, too few rows or folds.
    """
    n_experts, _, n_classes = opinions.logs.shape
    everyone = np.flatnonzero(opinions.present.all(axis=1) & (opinions.weights > 0))
    most = int(MOST_WORK / (n_experts * n_classes) ** 2)
    if len(everyone) > most:
        everyone = np.sort(np.random.RandomState(0).choice(everyone, most, replace=False))
    if len(everyone) < FEWEST_ROWS_A_CLASS * n_classes:
        return {}
    folds = [everyone[fold_of[everyone] == fold] for fold in np.unique(fold_of[everyone])]
    if n_experts * n_classes > MOST_WEIGHTS or n_classes < 3 or len(folds) < 3:
        return {}
    penalties = [p for p in CLASS_PENALTIES if p * n_classes >= 1]
    table = np.empty((1 + len(penalties), len(folds)))
    shares = np.empty(len(folds))
    for f, held_out in enumerate(folds):
        rest = np.setdiff1d(everyone, held_out)
        share = opinions.shares(opinions.codes[held_out], opinions.weights[held_out])
        shares[f] = opinions.weights[held_out].sum()
        for p, penalty in enumerate([COMMON, *penalties]):
            weights = with_penalty(opinions, penalty).solve(np.arange(n_experts), rest)
            logs = pool_logs(opinions.logs[:, held_out], weights)
            table[p, f] = -share @ logs[np.arange(len(held_out)), opinions.codes[held_out]]
    shares /= shares.sum()
    losses = dict(zip([COMMON, *penalties], (table @ shares).tolist(), strict=True))
    best = int(np.argmin(table @ shares))
    gain = table[0] - table[best]
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    chosen = list(losses)[best if gain @ shares > BY_STANDARD_ERRORS * error else 0]
    return {chosen: losses[chosen], **losses}


def with_penalty(opinions: Opinions, penalty: float, tol: float = ROUGHLY) -> Opinions:
    """The same with weights by class that cost so much, or with common ones."""
    apart = np.isfinite(penalty)
    return replace(
        opinions, per_class=apart, class_penalty=float(penalty) if apart else None, tol=tol
    )
