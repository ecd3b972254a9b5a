"""Fusion weights fitted on held-out rows: a convex opinion pool of a network's own outputs.

The experts of the pool are the modalities' own logits and, if the network has a fused classifier
besides, its logits as well. A weight on log-probabilities is a weight and an inverse temperature in
one, so an over-fitted modality is turned down without being retrained.

Which modalities a row has decides which weights it needs: two modalities that say the same share
their weight, and either alone deserves the whole of it. Since the held-out rows can be looked at
with modalities masked, every such presence pattern gets the weights that are best for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ..convex import PatternWeights, fit_opinion_pool, fit_pattern_weights, patterns_to_learn
from ..exceptions import DivergenceError
from ..networks import FEWEST, ModalityRows, MultimodalOutput
from ._net import MultimodalNet

Pattern = tuple[bool, ...]

#: How the network's fused classifier is called among the experts.
FUSED = "(fused)"

#: Up to so many patterns of modalities, those of five, weights are fitted for all of them.
_MOST_PATTERNS = 32

#: Sum of the weights where the default ones leave a pattern nothing: the plain mean predicts.
_IDLE_SUM = 1.0

#: Penalty of a unit of weight, beside the *sum* of the held-out rows' losses. Networks leave few
#: rows aside, and get nearly all of them right where the task is easy: without it their weights
#: would grow until they are sure of everything.
_PENALTY = 3.0

#: Log-probabilities of this size and more say that a network has diverged; their squares overflow.
_HUGE = 1e100

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
    row_order : dict or None
        How folds were cut that held rows out, see `FoldChoice.told`; None where none were.
    """

    names: tuple[str, ...]
    with_fused: bool
    weights: Mapping[Pattern, np.ndarray]
    default: np.ndarray
    own: np.ndarray
    row_order: Mapping[str, Any] | None = None

    @cached_property
    def _by_pattern(self) -> PatternWeights:
        """The weights as the opinion pool has them."""
        uses, needs_all = _experts(len(self.names), self.with_fused)
        return PatternWeights(uses, self.default, self.weights, needs_all, _IDLE_SUM)

    def of(self, pattern: Pattern) -> np.ndarray:
        """Weights of the experts for rows that have the modalities of `pattern`."""
        return self._by_pattern.of(pattern)

    def by_row(self, present: np.ndarray) -> np.ndarray:
        """Weights of shape (n_samples, n_experts) from presence (n_samples, n_modalities)."""
        return self._by_pattern.by_row(present)

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
        rows = sorted(self.weights, key=lambda p: (sum(p), p), reverse=True)
        columns = [*self.names, *([FUSED] if self.with_fused else [])]
        index = [" + ".join(compress(self.names, p)) for p in rows]
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
            "row_order": None if self.row_order is None else dict(self.row_order),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> FittedFusion:
        """Make it again from `to_plain`."""
        weights = {tuple(pattern): np.array(w) for pattern, w in plain["weights"]}
        names = tuple(plain["names"])
        default, own = np.array(plain["default"]), np.array(plain["own"])
        order = plain.get("row_order")
        if order is not None and "interval" in order:
            order = {**order, "interval": tuple(order["interval"])}
        return cls(names, plain["with_fused"], weights, default, own, order)


def fit_fusion(
    held_out: Sequence[tuple[MultimodalNet, ModalityRows]],
    names: Sequence[str],
    masked: bool,
    n_times: int = 1,
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
    n_times : int, default=1
        How often each row was held out; it counts that fraction each time.
    """
    names = tuple(names)
    with_fused = held_out[0][0].network.heads is not None
    seen = np.concatenate([_presence(rows, names) for _, rows in held_out])
    y = np.concatenate([rows.codes.cpu().numpy() for _, rows in held_out])
    weight = None
    if held_out[0][1].weight is not None:
        parts = [rows.weight for _, rows in held_out if rows.weight is not None]
        weight = np.concatenate([part.double().cpu().numpy() for part in parts])
    if n_times > 1:
        weight = (np.ones(len(seen)) if weight is None else weight) / n_times
    enough = _ROWS_PER_EXPERT * n_times

    as_they_are = _log_proba(held_out, names, with_fused, None)
    # what stands in rows that lack a modality has no meaning
    known = np.column_stack([seen, *([np.ones(len(seen), dtype=bool)] if with_fused else [])])
    _refuse_huge(as_they_are[known])

    alone_logs: list[np.ndarray] = []

    def with_others_masked(pattern: Pattern) -> np.ndarray:
        # only the fused classifier answers otherwise when modalities are masked
        if not with_fused or all(pattern):
            return as_they_are
        if len(names) >= FEWEST and sum(pattern) == 1:
            # one pass for all of them: a pass for each would grow with the square of their number
            if not alone_logs:
                alone_logs.extend([as_they_are.copy(), _fused_alone(held_out, names)])
            logs, fused = alone_logs
            logs[:, -1] = fused[pattern.index(True)]
        else:
            logs = _log_proba(held_out, names, True, pattern)
        _refuse_huge(logs[seen[:, np.array(pattern)].all(axis=1), -1])
        return logs

    uses, needs_all = _experts(len(names), with_fused)
    alone = np.eye(len(names), dtype=bool)
    patterns = np.vstack([np.ones_like(alone[:1]), alone])
    if masked:
        patterns = np.unique(np.vstack([patterns, patterns_to_learn(seen, _MOST_PATTERNS)]), axis=0)
    learnt = fit_pattern_weights(
        as_they_are,
        y,
        uses,
        present=seen,
        patterns=patterns,
        needs_all=needs_all,
        sample_weight=weight,
        penalty=_PENALTY,
        rows_per_expert=enough,
        masked=with_others_masked,
    )
    own = np.full(len(names), np.nan)
    for k in range(len(names)):
        rows = np.flatnonzero(seen[:, k])
        if len(rows) >= enough:
            part = None if weight is None else weight[rows]
            total = len(rows) if part is None else part.sum()
            own[k] = fit_opinion_pool(
                as_they_are[rows][:, [k]], y[rows], sample_weight=part, alpha=_PENALTY / total
            ).weights[0]
    return FittedFusion(names, with_fused, learnt.learnt, learnt.default, own)


def _refuse_huge(logs: np.ndarray) -> None:
    """Raise if weights cannot be fitted from these log-probabilities."""
    if not (np.abs(logs) < _HUGE).all():  # of NaN neither
        raise DivergenceError(
            "The network gives NaN, infinite or huge values for rows held out, from which "
            "`fusion_weights` are fitted. Scale the modalities (ModalityTransformer with "
            "StandardScaler), or lower `lr`."
        )


def _experts(n_modalities: int, with_fused: bool) -> tuple[np.ndarray, np.ndarray]:
    """Which modalities each expert looks at, and whether it needs all of them."""
    uses = np.eye(n_modalities, dtype=bool)
    if with_fused:
        uses = np.vstack([uses, np.ones_like(uses[:1])])
    # the fused classifier answers whatever is masked
    return uses, np.arange(len(uses)) < n_modalities


def _presence(rows: ModalityRows, names: Sequence[str]) -> np.ndarray:
    if rows.present is None:
        return np.ones((len(rows), len(names)), dtype=bool)
    return np.stack([rows.present[name].cpu().numpy() for name in names], axis=1)


def _fused_alone(
    held_out: Sequence[tuple[MultimodalNet, ModalityRows]], names: Sequence[str]
) -> np.ndarray:
    """Log-probabilities (n_modalities, n_samples, n_classes) of the fused classifier of each."""
    parts = []
    for net, rows in held_out:
        found = net.alone_rows(rows)
        logits = torch.stack([found[name] for name in names])
        parts.append(F.log_softmax(logits.double(), dim=2).numpy())
    return np.concatenate(parts, axis=1)


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
