"""Error rates of a chain: counted, and predicted as if the stages were independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._chain import ChainScores, Outcome, Thresholds


@dataclass(frozen=True)
class Rates:
    """Error rate within each class, and mean cost per row.

    With two classes the error of ``classes_[0]`` is the false acceptance rate (FAR) and that of
    ``classes_[1]`` the false rejection rate (FRR).
    """

    by_class: np.ndarray
    error: float
    cost: float


def empirical_rates(chain: ChainScores, outcome: Outcome) -> Rates:
    """What happened to the rows, weighted."""
    n_classes = chain.scores.shape[2]
    wrong = outcome.codes != chain.codes
    by_class = np.full(n_classes, np.nan)
    for c in range(n_classes):
        weights = chain.weights * (chain.codes == c)
        if weights.sum() > 0:
            by_class[c] = np.average(wrong, weights=weights)
    return Rates(
        by_class,
        float(np.average(wrong, weights=chain.weights)),
        float(np.average(outcome.cost, weights=chain.weights)),
    )


def predicted_rates(chain: ChainScores, thresholds: Thresholds) -> Rates:
    r"""What the rates would be if, within a class, the stages' scores were independent.

    For two classes and two stages, with scores s1, s2, the band [lo, hi] and the cut t (I:
    impostors, ``classes_[0]``; G: genuine, ``classes_[1]``)::

        FAR = P_I(s1 > hi) + P_I(lo <= s1 <= hi) P_I(s2 > t)
        FRR = P_G(s1 < lo) + P_G(lo <= s1 <= hi) P_G(s2 <= t)
        E[cost] = c1 + c2 P(lo <= s1 <= hi)

    and likewise for more stages and classes: the probability of getting to a stage is the product
    of the marginal probabilities of being deferred at those before. This is our reconstruction of
    the performance model of serial chains. Real scores correlate, so it is optimistic.
    """
    n_classes = chain.scores.shape[2]
    by_class, cost = np.full(n_classes, np.nan), np.zeros(n_classes)
    shares = np.array([chain.weights[chain.codes == c].sum() for c in range(n_classes)])
    for c in range(n_classes):
        if shares[c] > 0:
            by_class[c], cost[c] = _predict_class(chain, thresholds, c)
    shares = shares / shares.sum()
    known = shares > 0
    return Rates(
        by_class, float(shares[known] @ by_class[known]), float(shares[known] @ cost[known])
    )


def _predict_class(chain: ChainScores, thresholds: Thresholds, c: int) -> tuple[float, float]:
    arriving, wrong, cost = 1.0, 0.0, 0.0
    for k in range(chain.n_stages):
        rows = (chain.codes == c) & chain.available[k] & (chain.weights > 0)
        if not rows.any():
            continue
        weights = chain.weights[rows]
        cost += arriving * chain.costs[k]
        if k == chain.n_stages - 1:
            decided = chain.policy.final_codes(thresholds.cut, chain.final_scores[k][rows])
            wrong += arriving * float(np.average(decided != c, weights=weights))
            break
        scores = chain.scores[k][rows]
        sure = chain.policy.exits(thresholds.stages[k], scores)
        decided = chain.policy.codes(thresholds.stages[k], scores)
        wrong += arriving * float(np.average(sure & (decided != c), weights=weights))
        arriving *= float(np.average(~sure, weights=weights))
    return wrong, cost
