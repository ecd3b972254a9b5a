"""What a good threshold is: error, cost, and limits on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Sums in another order differ in the last digits; ties must not be decided by that.
_DIGITS = 12


@dataclass(frozen=True)
class Criterion:
    """Ranks candidates by (violation of the limits, value, mean cost), in this order.

    Rows are summed up in columns: for two classes ``false accepts, false rejects, cost``, for
    more ``errors, cost`` (all weighted).

    Attributes
    ----------
    weights : tuple of float
        Weight of each error *rate* in the value; for two classes (FAR, FRR).
    price : float
        Weight of the mean cost per row in the value.
    limits : tuple of float
        Highest error rate allowed, per rate; inf for none.
    budget : float
        Highest mean cost allowed.
    totals : tuple of float
        Weight of the rows that each rate is a share of.
    n : float
        Weight of all rows.
    """

    weights: tuple[float, ...]
    price: float
    limits: tuple[float, ...]
    budget: float
    totals: tuple[float, ...]
    n: float

    def rates(self, sums: np.ndarray) -> np.ndarray:
        """Error rates and mean cost of each row of column sums."""
        return sums / np.array([*self.totals, self.n])

    def keys(self, sums: np.ndarray) -> np.ndarray:
        """Sorting keys ``(violation, value, mean cost)``; smaller is better, first key first."""
        rates = self.rates(np.atleast_2d(sums))
        # in numpy's numbers: whole ones of Python may be larger than any of its integers
        weights = np.array([*self.weights, self.price], dtype=np.float64)
        limits = np.array([*self.limits, self.budget], dtype=np.float64)
        excess = np.maximum(rates - limits, 0.0).sum(axis=1)
        keys = np.column_stack([excess, rates @ weights, rates[:, -1]])
        return np.round(keys, _DIGITS)

    def best(self, sums: np.ndarray) -> tuple[int, tuple[float, ...]]:
        """Position and key of the best candidate; the first one on ties."""
        keys = self.keys(sums)
        position = int(np.lexsort(keys.T[::-1])[0])
        return position, tuple(keys[position].tolist())


def error_columns(codes: np.ndarray, decided: np.ndarray, weights: np.ndarray, n_classes: int):
    """What each decision adds to the column sums; the cost column is zero.

    Returns an array of shape (n_rows, 3) for two classes and (n_rows, 2) for more.
    """
    wrong = weights * (codes != decided)
    zero = np.zeros_like(wrong)
    if n_classes == 2:
        return np.column_stack([wrong * (codes == 0), wrong * (codes == 1), zero])
    return np.column_stack([wrong, zero])


def make_criterion(
    mode: str,
    codes: np.ndarray,
    weights: np.ndarray,
    n_classes: int,
    *,
    price: float = 0.0,
    budget: float | None = None,
    max_far: float | None = None,
    max_frr: float | None = None,
    w_far: float | None = None,
    w_frr: float | None = None,
) -> Criterion:
    """The criterion that a choice of ``thresholds=`` stands for.

    "cost" weighs error and cost; "budget" looks at the error alone; "far" minimises FRR and
    "frr" minimises FAR (both with the price). Limits hold in every mode in which they are given.
    """
    n = float(weights.sum())
    price = 0.0 if mode == "budget" else price
    budget = np.inf if budget is None else budget
    if n_classes > 2:
        return Criterion((1.0,), price, (np.inf,), budget, (n,), n)
    impostors, genuine = float(weights[codes == 0].sum()), float(weights[codes == 1].sum())
    by_rate = {"far": (0.0, 1.0), "frr": (1.0, 0.0)}.get(
        mode,
        (
            impostors / n if w_far is None else w_far,
            genuine / n if w_frr is None else w_frr,
        ),
    )
    limits = (np.inf if max_far is None else max_far, np.inf if max_frr is None else max_frr)
    totals = (max(impostors, np.finfo(float).tiny), max(genuine, np.finfo(float).tiny))
    return Criterion(by_rate, price, limits, budget, totals, n)
