"""When a stage decides a row itself, and when it defers: bands (two classes) and confidence."""

from __future__ import annotations

import numpy as np

#: The cut between two classes when nothing else is asked for: the more probable one.
HALF = 0.5


def _cuts_between(values: np.ndarray, weights: np.ndarray, n_grid: int) -> np.ndarray:
    """Cuts halfway from a (weighted) quantile of the values to the next larger value.

    A cut at a value that occurs would lie at the very edge of what it was chosen to separate,
    which costs accuracy when there are few values.
    """
    distinct = np.unique(values[weights > 0])
    levels = np.linspace(0.0, 1.0, n_grid)
    below = np.quantile(values, levels, method="inverted_cdf", weights=weights)
    position = np.unique(np.searchsorted(distinct, below))
    position = position[position < len(distinct) - 1]
    return (distinct[position] + distinct[position + 1]) / 2


def _from_the_middle(cuts: np.ndarray) -> np.ndarray:
    """Cuts ordered by their distance from 0.5: ties between candidates keep the first."""
    return cuts[np.argsort(np.abs(cuts - HALF), kind="stable")]


def _before(columns: np.ndarray) -> np.ndarray:
    """Sums over the first i rows, for i = 0 ... n."""
    return np.vstack([np.zeros((1, columns.shape[1])), np.cumsum(columns, axis=0)])


class BandPolicy:
    """Two classes: accept above ``hi``, reject below ``lo``, defer in the closed band between.

    A threshold is a pair ``(lo, hi)``; the score is the probability of ``classes_[1]``.
    ``(nextafter(t, inf), t)`` is the empty band: never defer, cut at t.
    """

    def never(self) -> np.ndarray:
        """Never defer."""
        return empty_band(HALF)

    def always(self) -> np.ndarray:
        """Defer every row."""
        return np.array([-np.inf, np.inf])

    def last(self, cut: float) -> np.ndarray:
        """What is shown as the threshold of the last stage."""
        return np.array([cut, cut])

    def exits(self, threshold: np.ndarray, proba: np.ndarray) -> np.ndarray:
        """Rows that the stage decides."""
        lo, hi = threshold
        return (proba[:, 1] < lo) | (proba[:, 1] > hi)

    def codes(self, threshold: np.ndarray, proba: np.ndarray) -> np.ndarray:
        """Class codes of the rows that the stage decides."""
        return (proba[:, 1] > threshold[1]).astype(np.intp)

    def final_codes(self, cut: float, proba: np.ndarray) -> np.ndarray:
        """Class codes where no stage is left to defer to."""
        return (proba[:, 1] > cut).astype(np.intp)

    def candidates(self, proba: np.ndarray, weights: np.ndarray, n_grid: int) -> np.ndarray:
        """Empty bands, then pairs ``lo <= hi`` (infinities among them); the middle first."""
        inner = _cuts_between(proba[:, 1], weights, n_grid)
        empty = np.array([empty_band(t) for t in _from_the_middle(np.union1d(inner, [HALF]))])
        grid = np.concatenate([[-np.inf], inner, [np.inf]])
        lo, hi = (grid[index] for index in np.triu_indices(len(grid)))
        reach = np.maximum(np.abs(lo - HALF), np.abs(hi - HALF))
        bands = np.column_stack([lo, hi])[np.argsort(reach, kind="stable")]
        return np.vstack([empty, bands])

    def cuts(self, proba: np.ndarray, weights: np.ndarray, n_grid: int) -> np.ndarray:
        """Candidates for the cut of the last stage; the middle first."""
        inner = _cuts_between(proba[:, 1], weights, n_grid)
        return _from_the_middle(np.union1d(inner, [-np.inf, HALF, np.inf]))

    def zero_error(self, proba: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """From the lowest genuine to the highest impostor score: no error outside the band."""
        lo, hi = proba[codes == 1, 1].min(), proba[codes == 0, 1].max()
        return np.array([lo, hi]) if lo <= hi else empty_band((lo + hi) / 2)

    def scan(
        self,
        proba: np.ndarray,
        as_class: list[np.ndarray],
        deferred: np.ndarray,
        thresholds: np.ndarray,
    ) -> np.ndarray:
        """Column sums over the rows for every candidate threshold, by cumulative sums.

        `as_class[c]` holds what each row adds if decided as class c here, `deferred` what it
        adds if deferred; all of shape (n_rows, n_columns).
        """
        order = np.argsort(proba[:, 1], kind="stable")
        score = proba[order, 1]
        rejected, accepted = _before(as_class[0][order]), _before(as_class[1][order])
        waiting = _before(deferred[order])
        below = np.searchsorted(score, thresholds[:, 0], side="left")
        upto = np.searchsorted(score, thresholds[:, 1], side="right")
        upto = np.maximum(below, upto)
        in_band = waiting[upto] - waiting[below]
        return rejected[below] + in_band + accepted[-1] - accepted[upto]


class ConfidencePolicy:
    """Any number of classes: decide when the top class probability is at least ``tau``."""

    def never(self) -> np.ndarray:
        """Never defer."""
        return np.array(0.0)

    def always(self) -> np.ndarray:
        """Defer every row."""
        return np.array(np.inf)

    def last(self, cut: float) -> np.ndarray:
        """What is shown as the threshold of the last stage."""
        return np.array(0.0)

    def exits(self, threshold: np.ndarray, proba: np.ndarray) -> np.ndarray:
        """Rows that the stage decides."""
        return proba.max(axis=1) >= threshold

    def codes(self, threshold: np.ndarray, proba: np.ndarray) -> np.ndarray:
        """Class codes of the rows that the stage decides."""
        return proba.argmax(axis=1)

    def final_codes(self, cut: float, proba: np.ndarray) -> np.ndarray:
        """Class codes where no stage is left to defer to."""
        return proba.argmax(axis=1)

    def candidates(self, proba: np.ndarray, weights: np.ndarray, n_grid: int) -> np.ndarray:
        """Never, cuts between quantiles of the top probability, always."""
        inner = _cuts_between(proba.max(axis=1), weights, n_grid)
        return np.concatenate([[0.0], inner, [np.inf]])

    def cuts(self, proba: np.ndarray, weights: np.ndarray, n_grid: int) -> np.ndarray:
        """Several classes have no cut: the most probable one is taken."""
        return np.array([HALF])

    def zero_error(self, proba: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Just above the highest confidence of a wrong decision."""
        wrong = proba.argmax(axis=1) != codes
        if not wrong.any():
            return self.never()
        return np.nextafter(proba[wrong].max(), np.inf)

    def scan(
        self,
        proba: np.ndarray,
        as_class: list[np.ndarray],
        deferred: np.ndarray,
        thresholds: np.ndarray,
    ) -> np.ndarray:
        """As in `BandPolicy`; `as_class` has one entry, the decision for the top class."""
        confidence = proba.max(axis=1)
        order = np.argsort(confidence, kind="stable")
        waiting, decided = _before(deferred[order]), _before(as_class[0][order])
        below = np.searchsorted(confidence[order], thresholds, side="left")
        return waiting[below] + decided[-1] - decided[below]


Policy = BandPolicy | ConfidencePolicy


def empty_band(cut: float) -> np.ndarray:
    """The band that defers nothing and cuts at `cut`."""
    return np.array([np.nextafter(cut, np.inf), cut])


def policy_for(n_classes: int) -> Policy:
    """Bands for two classes, confidence for more."""
    return BandPolicy() if n_classes == 2 else ConfidencePolicy()
