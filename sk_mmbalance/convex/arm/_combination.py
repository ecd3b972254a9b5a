"""From the two sides' scores to one: the prediction modes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...exceptions import MissingModalityError

#: Quantiles of the weak score that are tried as thresholds.
_N_GRID = 60


@dataclass(frozen=True, eq=False)
class DeferralRule:
    """When a row is passed on from the weak side to the strong one, and what decides then.

    Attributes
    ----------
    low, high : float
        A row is deferred when its weak confidence lies in ``[low, high]``. For two classes
        the confidence is the weak score itself; for more it is the margin between the two
        best classes, and ``low`` is minus infinity.
    final : {"strong", "sum"}
        The score that decides deferred rows.
    """

    low: float
    high: float
    final: str

    def defers(self, weak_scores: np.ndarray) -> np.ndarray:
        """Boolean array (n_samples,): the rows to pass on."""
        confidence = confidences(weak_scores)
        return (confidence >= self.low) & (confidence <= self.high)


def confidences(scores: np.ndarray) -> np.ndarray:
    """Return the score for two classes, the margin of the best two for more."""
    if scores.shape[1] == 1:
        return scores[:, 0]
    best = np.partition(scores, -2, axis=1)
    return best[:, -1] - best[:, -2]


def predicted_codes(scores: np.ndarray) -> np.ndarray:
    """Class codes from scores."""
    if scores.shape[1] == 1:
        return (scores[:, 0] > 0).astype(int)
    return np.argmax(scores, axis=1)


def tune_deferral(
    weak_scores: np.ndarray,
    strong_scores: np.ndarray,
    codes: np.ndarray,
    *,
    costs: tuple[float, float],
    kappa: float,
    weights: np.ndarray,
) -> DeferralRule:
    """Find the rule of least ``error + kappa * mean cost`` on scores that were held out.

    Thresholds are searched among quantiles of the weak confidence; ties keep the first
    candidate, and the first is never to defer.
    """
    confidence = confidences(weak_scores)
    order = np.argsort(confidence, kind="stable")
    confidence, share = confidence[order], weights[order] / np.sum(weights)
    binary = weak_scores.shape[1] == 1
    if binary:
        wrong_below, wrong_above = codes[order] == 1, codes[order] == 0
    else:
        wrong_below = wrong_above = (predicted_codes(weak_scores) != codes)[order]
    below, above = _running(share * wrong_below), _running(share * wrong_above)
    passed = _running(share)

    grid = np.unique(np.quantile(confidence, np.linspace(0, 1, _N_GRID)))
    lows = np.array([-np.inf, *grid]) if binary else np.array([-np.inf])
    highs = np.array([*grid, np.inf])
    # the binary chain decides at a score of 0 when it never defers
    never = (np.nextafter(0.0, 1.0), 0.0) if binary else (-np.inf, -np.inf)
    pairs = [never, *((low, high) for low in lows for high in highs if low <= high)]
    low, high = np.array(pairs).T
    first = np.searchsorted(confidence, low, side="left")
    last = np.searchsorted(confidence, high, side="right")
    last = np.maximum(first, last)
    best: tuple[float, DeferralRule] | None = None
    for final in ("strong", "sum"):
        decided = strong_scores if final == "strong" else 0.5 * (strong_scores + weak_scores)
        wrong_final = _running(share * (predicted_codes(decided) != codes)[order])
        error = below[first] + (wrong_final[last] - wrong_final[first]) + above[-1] - above[last]
        loss = error + kappa * (costs[0] + costs[1] * (passed[last] - passed[first]))
        place = int(np.argmin(np.round(loss, 12)))
        if best is None or loss[place] < best[0] - 1e-12:
            best = (loss[place], DeferralRule(float(low[place]), float(high[place]), final))
    assert best is not None
    return best[1]


def _running(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(values)])


def combine(
    mode: str,
    weak_scores: np.ndarray | None,
    strong_scores: np.ndarray | None,
    *,
    weak_seen: np.ndarray,
    strong_seen: np.ndarray,
    rule: DeferralRule | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of a prediction mode, and which sides each row used.

    Returns
    -------
    scores : ndarray of shape (n_samples, n_outputs)
    used_weak, used_strong : ndarray of bool of shape (n_samples,)

    Raises
    ------
    MissingModalityError
        If a row lacks the side that the mode needs there.
    """
    if mode == "auto":
        use_weak, use_strong = weak_seen, strong_seen
        lost = ~(weak_seen | strong_seen)
        _refuse_lost(lost, "both sides", mode)
        blend_weak, blend_strong = use_weak, use_strong
    elif mode == "serial":
        assert rule is not None
        assert weak_scores is not None
        _refuse_lost(~weak_seen, "the weak side", mode)
        deferred = rule.defers(weak_scores)
        _refuse_lost(deferred & ~strong_seen, "the strong side of deferred rows", mode)
        use_weak, use_strong = np.ones_like(deferred), deferred
        blend_weak = ~deferred | (rule.final == "sum")
        blend_strong = deferred
    else:
        use_weak = np.full(len(weak_seen), mode in ("weak", "sum"))
        use_strong = np.full(len(strong_seen), mode in ("strong", "sum"))
        _refuse_lost(use_weak & ~weak_seen, "the weak side", mode)
        _refuse_lost(use_strong & ~strong_seen, "the strong side", mode)
        blend_weak, blend_strong = use_weak, use_strong
    count = (blend_weak.astype(float) + blend_strong)[:, None]
    total = np.zeros((len(weak_seen), 1))
    if weak_scores is not None:
        total = np.where(blend_weak[:, None], weak_scores, 0.0)
    if strong_scores is not None:
        total = total + np.where(blend_strong[:, None], strong_scores, 0.0)
    return total / count, use_weak, use_strong


def _refuse_lost(lost: np.ndarray, what: str, mode: str) -> None:
    if lost.any():
        raise MissingModalityError(
            f"`X` lacks {what} in {int(lost.sum())} row(s), which `predict_with`='{mode}' needs. "
            f"Drop these rows, or use `predict_with`='auto' on an estimator fitted with "
            f"`missing='mask'`."
        )
