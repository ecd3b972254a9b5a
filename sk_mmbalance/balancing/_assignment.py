"""Adaptive classifier assignment: which modality gets the next head, and when it has enough."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


def weakest(scores: Mapping[str, float], sigma: float, tau: float) -> dict[str, float]:
    """The weakest modality, if the strongest is ahead of it by more than the dead zone.

    With ``a`` the strongest and ``b`` the weakest: ``s_a > sigma * s_b * (1 + tau)``.

    Parameters
    ----------
    scores : mapping of str to float
        Confidence ``s_m`` of every modality.
    sigma : float
        Ratio that counts as balanced.
    tau : float
        Relative half-width of the dead zone around it.

    Returns
    -------
    dict of str to float
        The modality that is to get a head, with ``s_a / s_b``. Empty inside the dead zone, and
        where two are weakest: their order must not decide.
    """
    low, high = min(scores.values()), max(scores.values())
    behind = [name for name, score in scores.items() if score == low]
    if len(behind) > 1 or not high > sigma * low * (1 + tau):
        return {}
    return {behind[0]: high / low if low > 0 else math.inf}


def all_weak(scores: Mapping[str, float], theta: float) -> dict[str, float]:
    """Every modality that is clearly below the mean of the others.

    ``rho_m = (M - 1) s_m / sum_{j != m} s_j < theta``; with two modalities, ``rho`` is the ratio.

    Parameters
    ----------
    scores : mapping of str to float
        Confidence ``s_m`` of every modality.
    theta : float
        Threshold; 1 is balance.

    Returns
    -------
    dict of str to float
        The modalities that are to get a head, with their ``rho``.
    """
    weak = {}
    for name, score in scores.items():
        others = math.fsum(s for other, s in scores.items() if other != name)
        if (len(scores) - 1) * score < theta * others:
            weak[name] = (len(scores) - 1) * score / others
    return weak


@dataclass(frozen=True)
class AssignmentRule:
    """The parameters of adaptive classifier assignment, as the estimator describes them."""

    check_every: int = 5
    assign: str = "weakest"
    theta: float = 0.8
    sigma: float = 1.0
    tau: float = 0.01
    score_on: str = "train"
    max_heads: int | None = 4
    head_patience: int | None = 1

    def choose(self, scores: Mapping[str, float]) -> dict[str, float]:
        """Modalities that are to get a head, with the value the rule looked at."""
        scores = {name: scores[name] for name in sorted(scores) if scores[name] == scores[name]}
        if len(scores) < 2:  # nothing to be unequal to
            return {}
        if self.assign == "weakest":
            return weakest(scores, self.sigma, self.tau)
        return all_weak(scores, self.theta)


@dataclass
class HeadGrowth:
    """What became of the heads so far: decides on new ones, and keeps the log.

    After a modality got a head, its held-out loss has to fall below what it was before;
    `head_patience` checks without that, and it gets no more.

    Attributes
    ----------
    rule : AssignmentRule
        The parameters.
    events : list of dict
        One entry for each head added, refused at the cap ("blocked"), or ruled out ("stopped").
    """

    rule: AssignmentRule
    events: list[dict[str, Any]] = field(default_factory=list)
    _best_loss: dict[str, float] = field(default_factory=dict)
    _failed_checks: dict[str, int] = field(default_factory=dict)
    _stopped: set[str] = field(default_factory=set)

    def is_due(self, epoch: int) -> bool:
        """Whether heads are assigned after `epoch` epochs."""
        return epoch > 0 and epoch % self.rule.check_every == 0

    def check(
        self,
        epoch: int,
        scores: Mapping[str, float],
        held_out_losses: Mapping[str, float],
        n_heads: Mapping[str, int],
    ) -> list[str]:
        """Modalities that get a head now.

        Parameters
        ----------
        epoch : int
            Number of epochs trained.
        scores : mapping of str to float
            Confidence of every modality.
        held_out_losses : mapping of str to float
            Loss of every modality on held-out rows; empty where none are held out.
        n_heads : mapping of str to int
            Heads of every modality.
        """
        self._watch(epoch, scores, held_out_losses, n_heads)
        grown = []
        for name, value in self.rule.choose(scores).items():
            if name in self._stopped:
                continue
            cap = self.rule.max_heads
            blocked = cap is not None and n_heads[name] >= cap
            event = "blocked" if blocked else "added"
            self._log(event, epoch, name, n_heads[name], scores, rule_value=value)
            if not blocked:
                grown.append(name)
                if name in held_out_losses:
                    self._best_loss.setdefault(name, held_out_losses[name])
        return grown

    def _watch(
        self,
        epoch: int,
        scores: Mapping[str, float],
        losses: Mapping[str, float],
        n_heads: Mapping[str, int],
    ) -> None:
        if self.rule.head_patience is None:
            return
        for name in sorted(self._best_loss):
            if name not in losses or name in self._stopped:
                continue
            if losses[name] < self._best_loss[name]:
                self._best_loss[name] = losses[name]
                self._failed_checks[name] = 0
                continue
            self._failed_checks[name] = self._failed_checks.get(name, 0) + 1
            if self._failed_checks[name] >= self.rule.head_patience:
                self._stopped.add(name)
                self._log("stopped", epoch, name, n_heads[name], scores)

    def _log(
        self,
        event: str,
        epoch: int,
        name: str,
        n_before: int,
        scores: Mapping[str, float],
        rule_value: float = math.nan,
    ) -> None:
        self.events.append(
            {
                "epoch": epoch,
                "modality": name,
                "event": event,
                "n_before": n_before,
                "n_after": n_before + (event == "added"),
                "rule_value": rule_value,
                "discarded": False,
                **{f"{m}__confidence": scores[m] for m in sorted(scores)},
            }
        )

    def discard_beyond(self, n_heads: Mapping[str, int]) -> None:
        """Mark heads that were lost when earlier weights were restored."""
        for event in self.events:
            if event["event"] == "added" and event["n_after"] > n_heads[event["modality"]]:
                event["discarded"] = True

    def to_plain(self) -> dict[str, Any]:
        """All but the rule, in plain values."""
        return {
            "events": [dict(event) for event in self.events],
            "best_loss": dict(self._best_loss),
            "failed_checks": dict(self._failed_checks),
            "stopped": set(self._stopped),
        }

    def take(self, plain: Mapping[str, Any]) -> None:
        """Go on from what `to_plain` gave."""
        self.events = list(plain["events"])
        self._best_loss = dict(plain["best_loss"])
        self._failed_checks = dict(plain["failed_checks"])
        self._stopped = set(plain["stopped"])

    def log(self) -> pd.DataFrame:
        """The events as a table."""
        first = ["epoch", "modality", "event", "n_before", "n_after", "rule_value", "discarded"]
        frame = pd.DataFrame(self.events)
        return frame if len(frame) else pd.DataFrame(columns=first)
