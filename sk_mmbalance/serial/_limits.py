"""What so many rows can say of an error rate: its upper confidence bound, and the finest limit.

The bound is that of Clopper and Pearson, "The use of confidence or fiducial limits illustrated in
the case of the binomial", Biometrika 26 (1934); with no error in n rows it is nearly 3 / n at
95 %, the "rule of three".
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv

from ..exceptions import LimitWarning

#: One-sided; the rule of three belongs to it.
CONFIDENCE = 0.95

ESTIMATE, BOUND = "estimate", "bound"


def effective_rows(weights: np.ndarray) -> float:
    """Rows of equal weight that say as much as these: (sum w)^2 / sum w^2 (Kish)."""
    squares = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def upper_bound(rate: float, n: float) -> float:
    """The highest true rate that is compatible with this one, counted in `n` rows."""
    errors = rate * n
    if not n > 0 or errors >= n:
        return 1.0
    return float(betaincinv(errors + 1.0, n - errors, CONFIDENCE))


def largest_rate(limit: float, n: float) -> float | None:
    """The highest counted rate whose bound is within `limit`; None if not even 0 is."""
    if limit >= 1.0:
        return 1.0
    if not n > 0 or upper_bound(0.0, n) > limit:
        return None

    def excess(errors: float) -> float:
        return CONFIDENCE - float(betainc(errors + 1.0, n - errors, limit))

    almost_all = n * (1.0 - 1e-12)
    if excess(almost_all) <= 0:
        return 1.0
    # with no error the bound may be the limit itself, but for its last bit
    return brentq(excess, 0.0, almost_all) / n if excess(0.0) < 0 else 0.0


def rows_needed(limit: float) -> int:
    """Rows without any error that keep the bound within `limit`."""
    return int(np.ceil(np.log1p(-CONFIDENCE) / np.log1p(-limit)))


def bounded(name: str, limit: float | None, weights: np.ndarray, label: str) -> float | None:
    """The limit on the counted rate that keeps the bound of the true rate within `limit`."""
    if limit is None:
        return None
    n = effective_rows(weights)
    rate = largest_rate(limit, n)
    if rate is None:
        raise ValueError(
            f"`{name}={limit:g}` cannot be vouched for with limit='bound': {_shown(name, n, label)}"
            f" {_remedy(name, limit)}"
        )
    return rate


def warn_if_too_fine(
    name: str, limit: float | None, weights: np.ndarray, label: str, stacklevel: int
) -> None:
    """Warn where even no error at all would leave the limit in doubt."""
    n = effective_rows(weights)
    if limit is None or largest_rate(limit, n) is not None:
        return
    warnings.warn(
        f"`{name}={limit:g}` is finer than the tuning rows can show: {_shown(name, n, label)} The "
        f"rate of new rows may be far above the limit. {_remedy(name, limit)} With limit='bound' "
        "a limit that cannot be vouched for is an error.",
        LimitWarning,
        stacklevel=stacklevel + 1,
    )


def _shown(name: str, n: float, label: str) -> str:
    what = "accepted" if name == "max_far" else "rejected"
    finest = upper_bound(0.0, n)
    return (
        f"there are {n:.0f} rows of {label}, and with none of them {what} the true rate may still "
        f"be {finest:.2g} (about 3 / {n:.0f}, at {CONFIDENCE:.0%})."
    )


def _remedy(name: str, limit: float) -> str:
    if limit <= 0:
        return f"No number of rows can show a rate of 0: raise `{name}`."
    return f"Tune on at least {rows_needed(limit)} such rows, or raise `{name}`."
