"""How right a network is on a client's rows, and over all clients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .. import networks
from ._messages import Config, Failure, Reply
from ._refusal import why_not_measured
from ._rows import in_batches
from ._task import Task


@torch.no_grad()
def correct_rows(
    module: nn.Module, rows: networks.ModalityRows, device: torch.device
) -> tuple[tuple[float, float], dict[str, tuple[float, float]]]:
    """Weight of the rows that are classified rightly, and of all rows: fused, and by modality."""
    module.eval()
    names = list(rows.inputs)
    counts = torch.zeros(len(names) + 1, 2, dtype=torch.float64)
    for X, codes in in_batches(rows):
        output = module(X["inputs"], X.get("present"))
        weight = X.get("weight")
        weight = torch.ones(len(codes), device=device) if weight is None else weight
        counts[-1] += _count(output.logits, codes, weight)
        for number, name in enumerate(names):
            own = weight
            if "present" in X:
                own = torch.where(X["present"][name], weight, torch.zeros_like(weight))
            counts[number] += _count(output.unimodal[name], codes, own)
    pairs = [(right, total) for right, total in counts.tolist()]
    return pairs[-1], dict(zip(names, pairs[:-1], strict=True))


def _count(logits: Tensor, codes: Tensor, weight: Tensor) -> Tensor:
    right = logits.argmax(dim=1) == codes
    return torch.stack([weight[right].double().sum(), weight.double().sum()]).cpu()


def counts_of(total: tuple[float, float], own: Mapping[str, tuple[float, float]]) -> Config:
    """What `correct_rows` found, as plain values of a reply."""
    return {
        "n": total[1],
        "correct": total[0],
        "modalities": list(own),
        "own_n": [n for _, n in own.values()],
        "own_correct": [correct for correct, _ in own.values()],
    }


def pooled_accuracies(
    answers: Mapping[str, Reply | Failure], task: Task, weights: Mapping[str, float]
) -> dict[str, Any]:
    """Accuracies over all clients' rows, for the record of a round.

    What a client says of itself is a figure in a table, no more: one that cannot be, or that does
    not go with its weight, is left out.
    """
    right = total = 0.0
    by_client: dict[str, float] = {}
    own = {name: [0.0, 0.0] for name in task.names}
    for client, answer in answers.items():
        if why_not_measured(answer, task, weights.get(client, math.inf)) is not None:
            continue
        found: Any = answer.config  # type: ignore[union-attr]
        right, total = right + found["correct"], total + found["n"]
        by_client[client] = found["correct"] / found["n"]
        for name, hits, n in zip(
            found["modalities"], found["own_correct"], found["own_n"], strict=True
        ):
            own[name][0] += hits
            own[name][1] += n
    return {
        "accuracy": ratio(right, total),
        **{f"{name}__accuracy": ratio(*pair) for name, pair in own.items()},
        "client_accuracy": by_client,
    }


def ratio(part: float, whole: float) -> float:
    """``part / whole``; NaN where there is nothing."""
    return part / whole if whole else float("nan")
