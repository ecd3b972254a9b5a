"""Whether the order of the rows says something: folds cut in order and folds of shuffled rows.

Rows in order of time, or sorted by whatever they were taken from, resemble their neighbours. Folds
of rows in order then ask how well an estimator does on rows unlike those it was fitted on, shuffled
folds how well on rows that lie between them: two questions with two answers. Where rows are
exchangeable both are one. Which holds is found by a cheap expert that lives on neighbours, a few
extra trees: its squared error out of fold, under both kinds of folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from scipy.special import gammaln
from scipy.stats import t as student
from sklearn.ensemble import ExtraTreesRegressor

from ..modalities import CheckedModalities
from ._target import CLASSES, NUMBERS, Target

#: Below so many rows the difference is lost in the noise of the trees: nothing is asked.
FEWEST_ROWS = 200

#: Rows sorted by the number to be predicted are the one order that is seen at once, and does the
#: greatest harm: every fold in order asks for numbers beyond those it shows. Asked from here on.
FEWEST_SORTED_ROWS = 100

#: Rows and columns that the trees are shown at most: a fraction of a second.
MOST_ROWS, MOST_COLUMNS = 2000, 200

#: Blocks of neighbouring rows whose mean differences the interval is made of: neighbours are no
#: independent witnesses. Of more than `MOST_ROWS` rows, a block is a run from each hundredth; of
#: sorted rows, of which few are asked, a block is a pair.
N_BLOCKS = 100

#: Coverage of the interval. Most data are exchangeable, and every fit looks: a false alarm in
#: twenty would be one in every cross-validation.
CONFIDENCE = 0.999

#: Smallest difference that is worth a word, as a share of the loss of knowing nothing: that of rows
#: which lie in some other order by chance comes near half of it.
WORTH_A_WORD = 0.05


@dataclass(frozen=True)
class RowOrder:
    """What a fast expert loses out of fold, as shares of what the mean of `y` loses.

    Attributes
    ----------
    loss_in_order, loss_shuffled : float
        Mean squared error with folds of rows in order, and of shuffled rows.
    interval : tuple of float
        Confidence interval of their difference.
    """

    loss_in_order: float
    loss_shuffled: float
    interval: tuple[float, float]

    @property
    def matters(self) -> bool:
        """Whether rows are easier to predict where their neighbours are known."""
        return self.interval[0] > 0 and self.loss_in_order - self.loss_shuffled > WORTH_A_WORD


def compare_orders(
    checked: CheckedModalities,
    target: Target,
    y: np.ndarray,
    weight: np.ndarray | None,
    cut: Callable[[np.ndarray | None, int, int | None], Sequence[tuple[np.ndarray, np.ndarray]]],
    among: np.ndarray | None = None,
) -> RowOrder | None:
    """Losses under both kinds of folds; None where nothing can be said.

    That is where rows are too few, where nearly all of their weight is in one place, and where all
    that is there is words.

    Draws from a generator of its own: nothing else is drawn differently because rows were looked
    at.

    Parameters
    ----------
    checked : CheckedModalities
        The modalities.
    target : Target
        What `y` is.
    y : ndarray
        Coded values.
    weight : ndarray of shape (n_samples,), or None
        Weights of the rows.
    cut : callable
        ``cut(strata, n_rows, seed)`` gives folds, of shuffled rows where there is a seed.
    among : ndarray of int, default=None
        Numbers of the rows that are asked; None is all of them.
    """
    rows = np.arange(len(y)) if among is None else among
    if len(rows) < FEWEST_ROWS and not (
        len(rows) >= FEWEST_SORTED_ROWS and target.kind == NUMBERS and _is_sorted(y[rows])
    ):
        return None
    draw = np.random.RandomState(0)
    if len(rows) > MOST_ROWS:
        rows = rows[_runs(len(rows), draw)]
    table = _some_columns(checked, rows, draw)
    if table is None:
        return None
    wanted = _as_numbers(target, y[rows])
    share = np.ones(len(rows)) if weight is None else weight[rows].astype(np.float64)
    if _n_telling(_block_weights(share)) < 2:
        return None
    spread = np.average((wanted - np.average(wanted, axis=0, weights=share)) ** 2, 0, share)
    whole = spread.sum() if target.kind == CLASSES else 1.0
    wanted = wanted if target.kind == CLASSES else wanted / np.sqrt(np.maximum(spread, 1e-300))
    whole = whole if target.kind == CLASSES else float((spread > 0).sum())
    if not whole > 0:
        return None
    strata = target.strata(y[rows])
    losses = []
    for seed in (None, 0):
        loss = np.empty(len(rows))
        for train, test in cut(strata, len(rows), seed):
            trees = ExtraTreesRegressor(10, max_features="sqrt", random_state=0)
            one_column = wanted[train][:, 0] if wanted.shape[1] == 1 else wanted[train]
            trees.fit(table[train], one_column, share[train])
            told = trees.predict(table[test]).reshape(len(test), -1)
            loss[test] = ((told - wanted[test]) ** 2).sum(axis=1) / whole
        losses.append(loss)
    in_order, shuffled = losses
    return _compared(in_order, shuffled, share)


def _runs(n_rows: int, draw: np.random.RandomState) -> np.ndarray:
    """Numbers of some rows that have their neighbours with them, from everywhere."""
    length = MOST_ROWS // N_BLOCKS
    ends = np.arange(N_BLOCKS + 1) * n_rows // N_BLOCKS
    starts = draw.randint(ends[:-1], ends[1:] - length + 1)
    return (starts[:, None] + np.arange(length)).ravel()


def _is_sorted(y: np.ndarray) -> bool:
    """Whether rows are sorted by a column of numbers, and hardly by chance."""
    for column in y.reshape(len(y), -1).T:
        steps = np.diff(column)
        if (steps >= 0).all() or (steps <= 0).all():
            counts = np.unique(column, return_counts=True)[1]
            log_orders = gammaln(len(column) + 1) - gammaln(counts + 1).sum()
            if log_orders > np.log(2 / (1 - CONFIDENCE)):
                return True
    return False


def _blocks(n_rows: int) -> list[np.ndarray]:
    """Numbers of the rows of each block."""
    return np.array_split(np.arange(n_rows), min(N_BLOCKS, n_rows // 2))


def _block_weights(share: np.ndarray) -> np.ndarray:
    """Mean weight of the rows of each block."""
    return np.array([share[block].mean() for block in _blocks(len(share))])


def _n_telling(weight: np.ndarray) -> float:
    """Of how many blocks of equal weight a mean by these weights would be as sure."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def _compared(in_order: np.ndarray, shuffled: np.ndarray, share: np.ndarray) -> RowOrder:
    """Weighted means of both losses, and the interval of the difference of a mean of blocks.

    A block says as much as its rows weigh. Where few hold most of the weight, the mean has their
    spread, and the degrees of freedom of few; and a heavy block has drawn the mean towards itself,
    for which its distance from it is made up (as in a jackknife).
    """
    apart = in_order - shuffled
    blocks = _blocks(len(share))
    n_blocks = len(blocks)
    told = np.array([np.average(apart[b], weights=share[b]) for b in blocks])
    weight = _block_weights(share)
    left_over = (1 - weight / weight.sum()) / (1 - 1 / n_blocks)
    distance = weight / weight.mean() * (told - np.average(told, weights=weight)) / left_over
    spread = np.sqrt((distance**2).sum() / (n_blocks - 1))
    reach = student.ppf((1 + CONFIDENCE) / 2, _n_telling(weight) - 1) * spread / n_blocks**0.5
    mean = float(np.average(apart, weights=share))
    return RowOrder(
        float(np.average(in_order, weights=share)),
        float(np.average(shuffled, weights=share)),
        (mean - float(reach), mean + float(reach)),
    )


def _as_numbers(target: Target, y: np.ndarray) -> np.ndarray:
    """Coded values as columns of numbers: a class is an indicator."""
    if target.kind == CLASSES:
        return np.eye(target.n_outputs)[y]
    return y.reshape(len(y), -1).astype(np.float64)


def _some_columns(
    checked: CheckedModalities, rows: np.ndarray, draw: np.random.RandomState
) -> np.ndarray | None:
    """Some columns of the numbers, side by side; what is missing has the column's mean."""
    blocks = []
    for name in checked.names:
        block = checked.flat(name)
        if block.dtype.kind not in "biuf" or not block.shape[1]:
            continue
        most = max(1, MOST_COLUMNS // len(checked.names))
        columns = np.arange(block.shape[1])
        if len(columns) > most:
            columns = np.sort(draw.choice(len(columns), most, replace=False))
        block = block[rows][:, columns]
        block = np.asarray(block.toarray() if issparse(block) else block, dtype=np.float64)
        there = checked.present_in(name)[rows] & np.isfinite(block).all(axis=1)
        mean = block[there].mean(axis=0) if there.any() else np.zeros(len(columns))
        blocks.append(np.where(there[:, None], block, mean))
        if not there.all():
            blocks.append(there[:, None].astype(np.float64))
    return np.hstack(blocks) if blocks else None
