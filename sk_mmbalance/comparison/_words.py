"""Scores as people read them: losses by their own name and sign."""

from __future__ import annotations

from typing import Any

import numpy as np

_NAMES = {"r2": "R²", "log_loss": "log-loss", "brier_score": "Brier score", "f1_macro": "mean F1"}
_LOSS = "neg_"


def score_name(score: str) -> str:
    """``log-loss`` of ``neg_log_loss``."""
    plain = score.removeprefix(_LOSS)
    return _NAMES.get(plain, plain.replace("_", " "))


def score_title(score: str) -> str:
    """The name, and which way is better where that is not plain."""
    return score_name(score) + (", lower is better" if is_loss(score) else "")


def is_loss(score: str) -> bool:
    """Whether scikit-learn's scorer has it with a minus, so that larger is better."""
    return score.startswith(_LOSS)


def score_value(score: str, value: Any) -> Any:
    """The value, or array of them, that goes with the name."""
    return -value if is_loss(score) else value


def score_cell(score: str, mean: float, spread: float) -> str:
    """``0.812 ± 0.021``; empty where there is none."""
    if np.isnan(mean):
        return ""
    near = "" if np.isnan(spread) else f" ± {spread:.3f}"
    return f"{score_value(score, mean) + 0.0:.3f}{near}"


def gain_cell(difference: float, low: float, high: float) -> str:
    """``+0.021 [-0.004, +0.046]``; empty where there is none."""
    if np.isnan(difference):
        return ""
    near = "" if np.isnan(low) else f" [{low:+.3f}, {high:+.3f}]"
    return f"{round(difference, 3) + 0.0:+.3f}{near}"  # no minus before 0.000
