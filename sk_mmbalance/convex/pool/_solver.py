r"""The logarithmic opinion pool with the weights that make its log-loss least.

Experts e give log-probabilities ``l_iek`` of class k for row i. The pool is
``p_i = softmax(sum_e w_e l_ie)``, the normalised weighted geometric mean of their probabilities,
and its weights minimise over ``w >= 0``

.. math:: F(w) = \sum_i c_i \Bigl(\log \sum_k e^{z_{ik}} - z_{i y_i}\Bigr) + \alpha \sum_e w_e,
          \qquad z_{ik} = \sum_e w_e l_{iek},

with shares ``c_i`` of the rows that sum to 1. The loss is convex in ``w``: log-sum-exp of a linear
map, less a linear one. Nothing here imports cvxpy; `_cvxpy_model` states the same problem in it,
for reference.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import nnls
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning

from ._problem import PoolProblem, scores
from ._shrunk import ShrunkProblem

#: From how many rows on a tenth of them is solved first, to start near the solution.
MANY_ROWS = 20_000

#: Smallest eigenvalue that a step sees, as part of the mean one: duplicated experts have none.
_RIDGE = 1e-12

#: Share of the decrease that a Newton step promises which is enough (Armijo).
_ENOUGH = 1e-4

#: Relative rounding error of an objective: no reason to shorten a step.
_ROUNDING = 1e-14

#: Part of the log-loss of equal probabilities below which an objective counts as 0: the gap of a
#: pool that is never wrong is a difference of rounding errors.
_SMALLEST = 1e-3

#: Log-probabilities whose squares, summed over rows, would overflow.
_HUGE = 1e100

#: Log-probabilities beyond which an expert's are counted in larger units.
_SURE = 2.0**20

#: Halvings of a step after which what is left is rounding.
_MOST_HALVINGS = 40


@dataclass(frozen=True, eq=False)
class OpinionPoolSolution:
    """Weights of a logarithmic opinion pool, with their certificate.

    Attributes
    ----------
    weights : ndarray of shape (n_experts,) or (n_experts, n_classes)
        Not negative. They need not sum to 1: a sum above 1 makes the pool surer than its experts.
    objective : float
        Mean log-loss and penalty at `weights`.
    log_loss : float
        Mean log-loss alone.
    gap : float
        Duality gap, relative to the objective: no weights have an objective below
        ``(1 - gap) * objective``. (Where the objective is less than a thousandth of the log-loss of
        equal probabilities, relative to that.)
    kkt_residual : float
        Largest entry of ``|w - max(0, w - grad F(w))|``, which is zero at a minimum only.
    n_iter : int
        Newton steps on all rows.
    """

    weights: np.ndarray
    objective: float
    log_loss: float
    gap: float
    kkt_residual: float
    n_iter: int


def fit_opinion_pool(
    log_proba: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    present: Any = None,
    alpha: float = 1e-3,
    balanced: bool = False,
    per_class: bool = False,
    class_penalty: float | None = None,
    tol: float = 1e-6,
    max_iter: int = 100,
) -> OpinionPoolSolution:
    r"""Weights of experts that minimise the log-loss of their logarithmic opinion pool.

    Minimises ``sum_i c_i log-loss_i(softmax(sum_e w_e log p_ie)) + alpha * sum_e w_e`` over
    ``w >= 0``, by Newton's method: each step minimises the quadratic model over ``w >= 0`` and is
    halved until the objective falls enough.

    A weight on log-probabilities is a weight and an inverse temperature in one: an expert that was
    fitted too boldly has its temperature ``1 / T_e`` and its share ``s_e`` in ``w_e = s_e / T_e``.
    The sum of the weights is free for this reason.

    Parameters
    ----------
    log_proba : array-like of shape (n_samples, n_experts, n_classes)
        Log-probabilities (or logits: a constant per row and expert changes nothing) of rows that
        the experts were not fitted on, finite. An array whose memory is ordered (n_experts,
        n_samples, n_classes) is read without a copy.
    y : array-like of int of shape (n_samples,)
        Classes, 0 to n_classes - 1.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, of any sum.
    present : array-like of bool of shape (n_samples, n_experts), default=None
        Whether an expert has its input in a row. Without it, it adds nothing to the row's scores,
        and what stands in `log_proba` there is not looked at.
    alpha : float, default=1e-3
        Strength of the penalty, above 0: a perfect expert would have an infinite weight without.
        It is linear because a quadratic one would reward having an expert twice.
    balanced : bool, default=False
        Whether all classes that have rows get the same sum of weights.
    per_class : bool, default=False
        Whether to learn a weight for each expert and class, ``z_ik = sum_e w_ek log p_iek``. The
        penalty is then on the mean over classes. A step costs ``(n_experts * n_classes) ** 3``.
    class_penalty : float, default=None
        With `per_class`: what it costs, in units of `alpha`, that a class's weight of an expert
        exceeds the least that a class has, ``alpha * sum_e (min_k w_ek + class_penalty * sum_k
        (w_ek - min_k w_ek))``. At least ``1 / n_classes``, which None stands for and which is the
        penalty on the mean; the larger, the more classes share one weight.
    tol : float, default=1e-6
        Relative duality gap at which to stop.
    max_iter : int, default=100
        Most Newton steps on all rows.

    Returns
    -------
    solution : OpinionPoolSolution
        The weights and their certificate.

    Raises
    ------
    ValueError
        If arrays do not fit one another, are not finite, or a parameter is out of its range.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` steps, or the precision of numbers, do not reach `tol`.

    See Also
    --------
    pooled_log_proba : Log-probabilities of the pool.

    Notes
    -----
    The certificate (our derivation). With the entropy H, ``log sum_k exp z_k`` is the largest
    value of ``p'z + H(p)`` over probabilities p, so

    .. math:: \min_{w \ge 0} F(w) = \max_{p} \sum_i c_i H(p_i) \quad \text{with} \quad
              g_e(p) = \sum_i c_i \sum_k (p_{ik} - [k = y_i])\, l_{iek} \ge -\alpha .

    At a solution p is the pool's own softmax, and g the gradient of the log-loss. Anywhere else
    ``t p + (1 - t) onehot(y)`` has ``t g`` in place of g, and satisfies the constraint with
    ``t = min(1, alpha / max_e(-g_e))``. Its entropy is at least ``t sum_i c_i H(p_i)`` (H is
    concave, and 0 at a label), where ``sum_i c_i H(p_i)`` is the log-loss less ``w'g``. Hence

    .. math:: F(w) - \min F \le F(w) - t\, \bigl(\text{log-loss}(w) - w'g\bigr),

    whoever computed w; it costs nothing beyond the gradient, and is 0 at a solution.

    References
    ----------
    .. [1] C. Genest, J. V. Zidek, "Combining Probability Distributions: A Critique and an
       Annotated Bibliography", Statistical Science 1(1), 1986.
    .. [2] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017 (temperature).

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.special import log_softmax
    >>> from sk_mmbalance.convex import fit_opinion_pool
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 500)
    >>> good, useless = rng.normal(size=(2, 500, 3))
    >>> good[np.arange(500), y] += 2
    >>> log_proba = log_softmax(np.stack([good, useless], axis=1), axis=2)
    >>> solution = fit_opinion_pool(log_proba, y)
    >>> solution.weights.round(2) + 0.0
    array([2.17, 0.  ])
    >>> solution.gap < 1e-6
    True
    """
    problem = read_pool(log_proba, y, sample_weight, present, balanced, per_class)
    for name, value in (("alpha", alpha), ("tol", tol)):
        if not 0 < float(value) < np.inf:
            raise ValueError(f"`{name}` must be a finite number above 0; got {value!r}.")
    if max_iter < 1:
        raise ValueError(f"`max_iter` must be at least 1; got {max_iter!r}.")
    n_experts, _, n_classes = problem.logs.shape
    units = _units(problem.logs)
    if (units > 1).any():
        problem = replace(problem, logs=problem.logs / units[:, None, None])
    if class_penalty is None:
        size = int(np.prod(problem.weights_shape))
        # Per class, the penalty is on the mean over classes.
        price = np.full((n_experts, size // n_experts), alpha * n_experts / size)
        solution = _solve(
            problem,
            np.full(problem.weights_shape, 1.0 / n_experts),
            (price / units[:, None]).ravel(),
            tol,
            max_iter,
        )
    else:
        if not (per_class and np.isfinite(class_penalty) and class_penalty * n_classes >= 1):
            raise ValueError(
                "`class_penalty` must be a finite number of at least 1 / n_classes = "
                f"{1 / n_classes:.3g}, with `per_class`=True; got {class_penalty!r} with "
                f"`per_class`={per_class!r}."
            )
        shrunk = ShrunkProblem(problem)
        price = shrunk.prices(alpha, class_penalty).reshape(n_experts, -1) / units[:, None]
        solution = _solve(shrunk, shrunk.start(), price.ravel(), tol, max_iter)
        solution = replace(solution, weights=shrunk.weights(solution.weights))
    solution = replace(solution, weights=(solution.weights.T / units).T)
    if solution.gap > tol:
        warnings.warn(
            f"The opinion pool's weights stopped at a relative duality gap of {solution.gap:.1e} "
            f"after {solution.n_iter} steps, above `tol`={tol:.1e}. Raise `max_iter`, `alpha` or "
            "`tol`.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return solution


def _units(logs: np.ndarray) -> np.ndarray:
    """Power of two in which each expert's log-probabilities are counted: 1 but for huge ones.

    An expert that is sure beyond all measure wants a weight of next to nothing, and a step to it
    from one of the size of 1 is lost in rounding.
    """
    largest = np.abs(logs).max(axis=(1, 2))
    return np.where(largest > _SURE, np.exp2(np.ceil(np.log2(np.maximum(largest, 1.0)))), 1.0)


def pooled_log_proba(log_proba: Any, weights: Any, *, present: Any = None) -> np.ndarray:
    """Log-probabilities of the logarithmic opinion pool with given weights.

    Parameters
    ----------
    log_proba : array-like of shape (n_samples, n_experts, n_classes)
        Log-probabilities of the experts, finite.
    weights : array-like of shape (n_experts,) or (n_experts, n_classes)
        Weights of the experts.
    present : array-like of bool of shape (n_samples, n_experts), default=None
        Whether an expert has its input in a row; it adds nothing where it has not.

    Returns
    -------
    pooled : ndarray of shape (n_samples, n_classes)
        ``log softmax(sum_e w_e log p_e)``.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance.convex import pooled_log_proba
    >>> proba = np.array([[[0.9, 0.1], [0.5, 0.5]]])  # one row, a sure and an unsure expert
    >>> np.exp(pooled_log_proba(np.log(proba), [1.0, 1.0])).round(3)
    array([[0.9, 0.1]])
    """
    weights = np.asarray(weights, dtype=np.float64)
    return log_softmax(scores(_by_expert(log_proba, present), weights), axis=1)


def _by_expert(log_proba: Any, present: Any) -> np.ndarray:
    """Log-probabilities as (n_experts, n_samples, n_classes), zero where there is no input."""
    logs = np.asarray(log_proba, dtype=np.float64)
    if logs.ndim != 3 or 0 in logs.shape:
        raise ValueError(
            "`log_proba` must be a stack of shape (n_samples, n_experts, n_classes), each at least "
            f"1; got shape {logs.shape}."
        )
    logs = np.ascontiguousarray(logs.transpose(1, 0, 2))
    if present is not None:
        present = np.asarray(present)
        if present.shape != logs.shape[1::-1] or present.dtype != bool:
            raise ValueError(
                f"`present` must be boolean, of shape {logs.shape[1::-1]} (samples, experts); got "
                f"{present.dtype} of shape {present.shape}."
            )
        if not present.all():
            logs = np.where(present.T[:, :, None], logs, 0.0)
    if not (np.abs(logs) < _HUGE).all():  # of NaN neither
        raise ValueError(
            "`log_proba` must be finite where an expert is present, and no number whose square is "
            "not; raise probabilities of 0 to a small one before the logarithm."
        )
    return logs


def read_pool(
    log_proba: Any, y: Any, sample_weight: Any, present: Any, balanced: bool, per_class: bool
) -> PoolProblem:
    """Check what `fit_opinion_pool` is given, and make the problem of it."""
    logs = _by_expert(log_proba, present)
    _, n_samples, n_classes = logs.shape
    if n_classes < 2:
        raise ValueError("`log_proba` must have at least two classes; got 1.")
    codes = np.asarray(y)
    if codes.shape != (n_samples,) or not np.issubdtype(codes.dtype, np.integer):
        raise ValueError(
            f"`y` must be {n_samples} integers, the class numbers of `log_proba`; got "
            f"{codes.dtype} of shape {codes.shape}."
        )
    if codes.min() < 0 or codes.max() >= n_classes:
        raise ValueError(
            f"`y` must hold class numbers from 0 to {n_classes - 1}; got {codes.min()} to "
            f"{codes.max()}."
        )
    shares = np.ones(n_samples) if sample_weight is None else np.array(sample_weight, np.float64)
    if shares.shape != (n_samples,) or not np.isfinite(shares).all() or (shares < 0).any():
        raise ValueError(
            f"`sample_weight` must be {n_samples} finite numbers of at least 0; got shape "
            f"{shares.shape}."
        )
    if not shares.any():
        raise ValueError("`sample_weight` is zero for every sample; at least one must be positive.")
    if balanced:
        mass = np.bincount(codes, weights=shares, minlength=n_classes)
        shares = shares / np.where(mass > 0, mass, 1.0)[codes]
    problem = PoolProblem(logs, codes, shares / shares.sum(), per_class)
    # Rows without weight cost time only, and would take part in the first, small problem.
    return problem if shares.all() else problem.rows(np.flatnonzero(shares))


#: What Newton's method minimises: a loss of variables that are not negative.
_Problem = PoolProblem | ShrunkProblem


def _solve(
    problem: _Problem, start: np.ndarray, price: np.ndarray, tol: float, max_iter: int
) -> OpinionPoolSolution:
    """Minimum from `start`; where rows are many, that of a tenth of them is found first."""
    if problem.n_samples > MANY_ROWS:
        few = problem.rows(np.arange(0, problem.n_samples, 10))
        start = _minimise(few, start, price, 1e-4, max_iter).weights
    return _minimise(problem, start, price, tol, max_iter)


def _minimise(
    problem: _Problem, weights: np.ndarray, price: np.ndarray, tol: float, max_iter: int
) -> OpinionPoolSolution:
    """Newton's method from `weights` until the relative duality gap is `tol`.

    `price` is what a unit of each flattened variable costs.
    """
    w = weights.ravel()
    smallest = _SMALLEST * np.log(problem.logs.shape[2])
    loss, slope, proba = problem.slope(weights)
    n_iter = 0
    while True:
        value, gradient = loss + price @ w, slope + price
        tension = max((-slope / price).max(), 1.0)
        gap = max(value - (loss - w @ slope) / tension, 0.0) / max(value, smallest)
        if gap <= tol or n_iter == max_iter:
            break
        # Weights at 0 that want to fall stay there: they need no curvature.
        chosen = np.flatnonzero((w > 0) | (gradient < 0))
        curve = problem.curvature(proba, chosen)
        target = np.zeros_like(w)
        target[chosen] = _quadratic_minimum(w[chosen], gradient[chosen], curve)
        moved = _shorten(problem, w, target - w, price, value, gradient, weights.shape)
        if moved is None:
            break
        w, loss, slope, proba = moved
        n_iter += 1
    return OpinionPoolSolution(
        weights=w.reshape(weights.shape),
        objective=float(value),
        log_loss=float(loss),
        gap=float(gap),
        kkt_residual=float(np.abs(w - np.maximum(w - gradient, 0.0)).max()),
        n_iter=n_iter,
    )


def _shorten(
    problem: _Problem,
    w: np.ndarray,
    direction: np.ndarray,
    price: np.ndarray,
    value: float,
    gradient: np.ndarray,
    shape: tuple[int, ...],
) -> tuple[np.ndarray, float, np.ndarray, np.ndarray] | None:
    """First of the steps 1, 1/2, 1/4, ... that falls enough; None if rounding is all that is left.

    Returns the weights there, and what `PoolProblem.slope` says of them.
    """
    step = 1.0
    for _ in range(_MOST_HALVINGS):
        trial = np.maximum(w + step * direction, 0.0)
        loss, slope, proba = problem.slope(trial.reshape(shape))
        enough = value * (1 + _ROUNDING) + _ENOUGH * step * (gradient @ direction)
        if loss + price @ trial <= enough:
            return trial, loss, slope, proba
        step /= 2
    return None


def _quadratic_minimum(w: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """Minimise ``gradient'(v - w) + (v - w)' hessian (v - w) / 2`` over ``v >= 0``."""
    ridge = _RIDGE * max(np.trace(hessian) / len(w), np.finfo(float).tiny)
    while True:
        try:
            factor = np.linalg.cholesky(hessian + ridge * np.eye(len(w)))
            break
        except np.linalg.LinAlgError:  # rounding made an eigenvalue negative
            ridge *= 10
    pulled = solve_triangular(factor, gradient, lower=True)
    return nnls(factor.T, factor.T @ w - pulled)[0]
