"""Fusion weights fitted on held-out rows: a convex opinion pool of a network's own outputs.

The experts of the pool are the modalities' own logits and, if the network has a fused classifier
besides, its logits as well. A weight on log-probabilities is a weight and an inverse temperature in
one, so an over-fitted modality is turned down without being retrained.

Which modalities a row has decides which weights it needs: two modalities that say the same share
their weight, and either alone deserves the whole of it. Since the held-out rows can be looked at
with modalities masked, every such presence pattern gets the weights that are best for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ..convex import fit_opinion_pool
from ..networks import ModalityRows, MultimodalOutput
from .net import MultimodalNet

Pattern = tuple[bool, ...]

#: How the network's fused classifier is called among the experts.
FUSED = "(fused)"

#: Up to this many modalities, weights are fitted for every subset of them.
_ALL_SUBSETS = 5

#: Penalty of a unit of weight, beside the *sum* of the held-out rows' losses. Networks leave few
#: rows aside, and get nearly all of them right where the task is easy: without it their weights
#: would grow until they are sure of everything.
_PENALTY = 3.0

#: Held-out rows per expert below which a pattern has no weights of its own.
_ROWS_PER_EXPERT = 5


@dataclass(frozen=True, eq=False)
class FittedFusion:
    """Weights of a network's outputs, by presence pattern.

    Attributes
    ----------
    names : tuple of str
        Modalities, sorted.
    with_fused : bool
        Whether the fused logits are an expert, the last one.
    weights : dict of tuple of bool to ndarray of shape (n_experts,)
        By which modalities a row has; 0 for those it lacks. All are 0 where no weights beat equal
        probabilities; the experts then count alike.
    default : ndarray of shape (n_experts,)
        Weights that other patterns take, renormalised to the same sum over what they have.
    own : ndarray of shape (n_modalities,)
        Weight of each modality's own classifier by itself, with no other expert beside it: one
        over its temperature. NaN where too few held-out rows have the modality.
    """

    names: tuple[str, ...]
    with_fused: bool
    weights: Mapping[Pattern, np.ndarray]
    default: np.ndarray
    own: np.ndarray

    def of(self, pattern: Pattern) -> np.ndarray:
        """Weights of the experts for rows that have the modalities of `pattern`."""
        having = np.array([*pattern, *([True] if self.with_fused else [])])
        found = self.weights.get(pattern)
        if found is None:
            found = np.where(having, self.default, 0.0)
            if found.any():
                found = found * (self.default.sum() / found.sum())
        # where no weights beat equal probabilities the plain mean predicts
        return found if found.any() else having / having.sum()

    def by_row(self, present: np.ndarray) -> np.ndarray:
        """Weights of shape (n_samples, n_experts) from presence (n_samples, n_modalities)."""
        patterns, which = np.unique(present, axis=0, return_inverse=True)
        table = np.stack([self.of(tuple(row.tolist())) for row in patterns])
        return table[which.reshape(-1)]

    def scores(self, output: MultimodalOutput, present: Mapping[str, Tensor] | None) -> Tensor:
        """Weighted sums of log-probabilities: the logits of the pool."""
        experts = [output.unimodal[name] for name in self.names]
        experts += [output.logits] if self.with_fused else []
        n_rows = len(output.logits)
        here = np.ones((n_rows, len(self.names)), dtype=bool)
        if present is not None:
            here = np.stack([present[name].cpu().numpy() for name in self.names], axis=1)
        weights = torch.from_numpy(self.by_row(here)).to(output.logits)
        total = torch.zeros_like(output.logits)
        for k, logits in enumerate(experts):
            # what stands in rows that lack a modality has no meaning, and must not count as NaN
            w = weights[:, k : k + 1]
            total = total + torch.where(w > 0, w * F.log_softmax(logits, dim=1), 0.0)
        return total

    def table(self) -> pd.DataFrame:
        """Weights by presence pattern, all modalities first."""
        rows = sorted(self.weights, key=lambda p: (-sum(p), tuple(not here for here in p)))
        columns = [*self.names, *([FUSED] if self.with_fused else [])]
        index = [" + ".join(n for n, here in zip(self.names, p, strict=True) if here) for p in rows]
        return pd.DataFrame([self.weights[p] for p in rows], index=index, columns=columns)

    def temperatures(self) -> dict[str, float]:
        """Temperature that each modality's own logits need if they stand alone."""
        return {
            name: float("inf") if w == 0 else float(1 / w)
            for name, w in zip(self.names, self.own, strict=True)
        }

    # -- what a file of weights needs ------------------------------------------------------

    def to_plain(self) -> dict[str, Any]:
        """Lists and numbers only, as JSON has them."""
        return {
            "names": list(self.names),
            "with_fused": self.with_fused,
            "weights": [[list(p), w.tolist()] for p, w in self.weights.items()],
            "default": self.default.tolist(),
            "own": self.own.tolist(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> FittedFusion:
        """Make it again from `to_plain`."""
        weights = {tuple(pattern): np.array(w) for pattern, w in plain["weights"]}
        names = tuple(plain["names"])
        default, own = np.array(plain["default"]), np.array(plain["own"])
        return cls(names, plain["with_fused"], weights, default, own)


def fit_fusion(
    held_out: Sequence[tuple[MultimodalNet, ModalityRows]], names: Sequence[str], masked: bool
) -> FittedFusion:
    """Weights that minimise the log-loss of held-out rows.

    Parameters
    ----------
    held_out : sequence of (net, rows)
        Rows, with their classes and weights, that the net beside them was not trained on.
    names : sequence of str
        Modalities, sorted.
    masked : bool
        Whether rows may lack modalities at prediction.
    """
    names = tuple(names)
    with_fused = held_out[0][0].network.heads is not None
    seen = np.concatenate([_presence(rows, names) for _, rows in held_out])
    y = np.concatenate([rows.codes.cpu().numpy() for _, rows in held_out])
    weight = None
    if held_out[0][1].weight is not None:
        parts = [rows.weight for _, rows in held_out if rows.weight is not None]
        weight = np.concatenate([part.double().cpu().numpy() for part in parts])

    as_they_are = _log_proba(held_out, names, with_fused, None)
    having = np.column_stack([seen, np.ones(len(seen), dtype=bool)]) if with_fused else seen
    default = _solve(as_they_are, y, weight, having)
    weights: dict[Pattern, np.ndarray] = {}
    for pattern in _patterns(seen, masked):
        experts = np.array([*pattern, *([True] if with_fused else [])])
        rows = np.flatnonzero(seen[:, np.array(pattern)].all(axis=1))
        if len(rows) < _ROWS_PER_EXPERT * experts.sum():
            continue
        # Only the fused classifier answers otherwise when modalities are masked.
        changed = with_fused and not all(pattern)
        logs = _log_proba(held_out, names, True, pattern) if changed else as_they_are
        found = np.zeros(len(experts))
        part = None if weight is None else weight[rows]
        found[experts] = _solve(logs[rows][:, experts], y[rows], part, None)
        weights[pattern] = found
    own = np.full(len(names), np.nan)
    for k in range(len(names)):
        rows = np.flatnonzero(seen[:, k])
        if len(rows) >= _ROWS_PER_EXPERT:
            part = None if weight is None else weight[rows]
            own[k] = _solve(as_they_are[rows][:, [k]], y[rows], part, None)[0]
    return FittedFusion(names, with_fused, weights, default, own)


def _solve(
    log_proba: np.ndarray, y: np.ndarray, weight: np.ndarray | None, present: np.ndarray | None
) -> np.ndarray:
    total = len(y) if weight is None else weight.sum()
    return fit_opinion_pool(
        log_proba, y, sample_weight=weight, present=present, alpha=_PENALTY / total
    ).weights


def _presence(rows: ModalityRows, names: Sequence[str]) -> np.ndarray:
    if rows.present is None:
        return np.ones((len(rows), len(names)), dtype=bool)
    return np.stack([rows.present[name].cpu().numpy() for name in names], axis=1)


def _log_proba(
    held_out: Sequence[tuple[MultimodalNet, ModalityRows]],
    names: Sequence[str],
    with_fused: bool,
    pattern: Pattern | None,
) -> np.ndarray:
    """Log-probabilities (n_samples, n_experts, n_classes), others than `pattern` masked."""
    parts = []
    for net, rows in held_out:
        if pattern is not None:
            n, device = len(rows), rows.codes.device
            present = {
                name: torch.full((n,), here, dtype=torch.bool, device=device)
                for name, here in zip(names, pattern, strict=True)
            }
            rows = replace(rows, present=present)
        output = net.evaluate_rows(rows)
        experts = [output.unimodal[name] for name in names]
        experts += [output.logits] if with_fused else []
        logs = torch.stack([F.log_softmax(z.double(), dim=1) for z in experts], dim=1)
        parts.append(logs.cpu().numpy())
    return np.concatenate(parts)


def _patterns(seen: np.ndarray, masked: bool) -> Iterable[Pattern]:
    """Presence patterns that get weights of their own."""
    m = seen.shape[1]
    singles = [tuple(i == k for i in range(m)) for k in range(m)]
    wanted: list[Pattern] = [(True,) * m, *singles]
    if masked and m <= _ALL_SUBSETS:
        wanted += [p for p in product((True, False), repeat=m) if any(p)]
    elif masked:
        wanted += [tuple(row.tolist()) for row in np.unique(seen, axis=0) if row.any()]
    return list(dict.fromkeys(wanted))
