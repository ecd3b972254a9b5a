"""Normal scores: what a table's columns become before a network sees them.

A network is at the mercy of the marginal shape of its inputs: a column with a long tail, or with
its values in a few narrow bands, is one in which most of what could be learnt lies within a tiny
range. Trees do not mind. Replacing values by the normal quantiles of their ranks takes the shape
away and keeps the order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor, nn

from ..modalities import CheckedModalities
from ._keys import ByModality

#: Knots of each column's curve, evenly spaced in the scores, so that tails have their share.
N_KNOTS = 64

#: Rows that the curves are learnt from, evenly spread: more do not move a knot visibly.
MOST_ROWS = 100_000

#: Values that are encoded at a time; bounds the memory of what is in between.
_VALUES_AT_A_TIME = 2**22


class NormalScores(nn.Module):
    """Each column by a piecewise linear curve that makes it standard normal.

    The curve goes through the normal quantiles of the values' mid-ranks, which are then brought to
    mean 0 and variance 1 (ties keep them from having it). Values beyond the ones seen are taken
    for the outermost ones. A constant column becomes 0.

    Parameters
    ----------
    n_features : int
        Number of columns.
    """

    knots: Tensor
    scores: Tensor

    def __init__(self, n_features: int):
        super().__init__()
        self.register_buffer("knots", torch.zeros(n_features, N_KNOTS))
        self.register_buffer("scores", torch.zeros(n_features, N_KNOTS))

    def learn(self, values: np.ndarray, weight: np.ndarray | None = None) -> NormalScores:
        """Take the curves from rows, of shape (n_rows, n_features), and their weights."""
        curves = [_curve(np.asarray(column, dtype=np.float64), weight) for column in values.T]
        knots, scores = (np.stack(part) for part in zip(*curves, strict=True))
        self.knots.copy_(torch.from_numpy(knots))
        self.scores.copy_(torch.from_numpy(scores))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Scores of shape (n_rows, n_features)."""
        steps, rises = self.knots.diff(dim=1), self.scores.diff(dim=1)
        slopes = torch.where(steps > 0, rises / torch.where(steps > 0, steps, 1), 0)
        columns = x.t().contiguous().clamp(self.knots[:, :1], self.knots[:, -1:])
        piece = torch.searchsorted(self.knots, columns, right=True).sub_(1).clamp_(0, N_KNOTS - 2)
        start, score = self.knots.gather(1, piece), self.scores.gather(1, piece)
        return torch.addcmul(score, slopes.gather(1, piece), columns - start).t().contiguous()


def _curve(column: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Knots and scores of one column."""
    values, code = np.unique(column, return_inverse=True)
    mass = np.bincount(code, weight, minlength=len(values)).astype(np.float64)
    total = mass.sum()
    scores = ndtri((np.cumsum(mass) - 0.5 * mass) / total)
    scores -= (mass * scores).sum() / total
    spread = np.sqrt((mass * scores**2).sum() / total)
    scores = scores / spread if spread > 0 else np.zeros_like(scores)
    if len(values) > N_KNOTS:
        wanted = np.linspace(scores[0], scores[-1], N_KNOTS)
        scores, values = wanted, np.interp(wanted, scores, values)
    lacking = N_KNOTS - len(values)
    return np.pad(values, (0, lacking), "edge"), np.pad(scores, (0, lacking), "edge")


def learn_encodings(
    names: Collection[str],
    checked: CheckedModalities,
    weight: np.ndarray | None,
    dtype: torch.dtype,
) -> ByModality:
    """Learn the encodings of some modalities from the rows that have them."""
    learnt = {}
    for name in names:
        rows = np.flatnonzero(checked.present_in(name))
        if len(rows) > MOST_ROWS:
            rows = rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(int)]
        array = checked.arrays[name]
        of_rows = None if weight is None else weight[rows]
        learnt[name] = NormalScores(array.shape[1]).to(dtype).learn(array[rows], of_rows)
    return ByModality(learnt)


def empty_encodings(n_features: Mapping[str, int]) -> ByModality:
    """Encodings that are yet to be loaded."""
    return ByModality({name: NormalScores(size) for name, size in n_features.items()})


@torch.no_grad()
def encode(encoding: nn.Module, x: Tensor) -> Tensor:
    """Encode many rows at once, as they are read: not in every epoch anew."""
    x = x.to(next(encoding.buffers()).device)
    at_a_time = max(1, _VALUES_AT_A_TIME // max(1, x.shape[1]))
    if len(x) <= at_a_time:
        return encoding(x)
    return torch.cat([encoding(part) for part in x.split(at_a_time)])
