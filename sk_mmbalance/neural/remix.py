"""Remixed epochs: a plan, batches of one modality each, and the loss on them.

Any net of this room can train so; `MultimodalNet` calls what is here from `remixing.after` on.
What a net's own loss adds to plain training (guidance, modulation) compares modalities on the same
row and has no meaning in a batch of one modality: it is not called there.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..exceptions import CollapseWarning
from ..networks import (
    Batch,
    EpochLog,
    MultimodalOutput,
    RowBatches,
    mean_criterion,
    mix_seeds,
    to_device,
    unimodal_losses,
)
from .uncertainty import assign, uncertainty

#: A modality is as good as untrained below this share of its rows (below half its fair share,
#: where there are many modalities) ...
COLLAPSED_SHARE = 0.1
#: ... in so many remixed epochs in a row; a single epoch may be a whim of the heads.
COLLAPSED_EPOCHS = 5


@dataclass(frozen=True)
class Remixing:
    """When epochs are remixed, and how; see `DataRemixingClassifier` for the meaning."""

    after: int
    gamma: float | Mapping[str, float] = 1.0
    order: str = "shuffled"
    min_share: float = 0.0
    joint_every: int | None = 2
    predictor: str = "head"
    temperature: float = 1.0
    criterion: str = "entropy"
    ablation: str | None = None

    def is_joint(self, epoch: int) -> bool:
        """Whether epoch number `epoch` (from 0) is trained as without remixing."""
        if epoch < self.after:
            return True
        return self.joint_every is not None and (epoch - self.after + 1) % self.joint_every == 0

    def gamma_of(self, name: str) -> float:
        """Weight of the loss of a modality's own head in its batches."""
        return self.gamma.get(name, 1.0) if isinstance(self.gamma, Mapping) else self.gamma


class RemixedBatches(RowBatches):
    """Batches of `RowBatches` in joint epochs, batches of one modality each in remixed ones.

    A batch of a remixed epoch says in ``X["assigned"]`` which modalities it trains: one, and then
    ``X["inputs"]`` holds that modality alone (all modalities with ``ablation="reassemble"``).
    With ``ablation="decouple"`` rows of all modalities stand side by side, each masked to its own.

    Parameters
    ----------
    plan : Remixing
        When and how.
    *args, **kwargs
        As in `RowBatches`.
    """

    def __init__(self, plan: Remixing, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.plan = plan
        self.names = sorted(self.rows.inputs)
        #: position of each row's modality; None in a joint epoch
        self.assigned: Tensor | None = None
        self.counts: list[int] = []

    def remix(self, assigned: Tensor | None) -> None:
        """Say how the coming epoch is to be cut; None makes it joint.

        A subset of a single row is left out (layers with batch statistics cannot take it); an
        epoch of nothing but such rows is joint.
        """
        self.assigned = None
        self.counts = []
        if assigned is None:
            return
        counts = torch.bincount(assigned, minlength=len(self.names)).tolist()
        if max(counts) > 1:
            self.assigned, self.counts = assigned, counts

    @property
    def n_skipped(self) -> int:
        """Rows of this epoch that are alone in their subset."""
        return 0 if self.plan.ablation == "decouple" else self.counts.count(1)

    def __len__(self) -> int:
        if self.assigned is None or self.plan.ablation == "decouple":
            return super().__len__()
        return sum(len(bounds) for _, bounds in self._subsets())

    def __iter__(self) -> Iterator[Batch]:
        if self.assigned is None:
            return super().__iter__()
        if self.plan.ablation == "decouple":
            return self._masked(self.assigned)
        return self._pure(self.assigned)

    def _subsets(self) -> list[tuple[str, list[tuple[int, int]]]]:
        """Each modality that is trained in this epoch, and the bounds of its batches."""
        counted = zip(self.names, self.counts, strict=True)
        return [(name, self.bounds(count)) for name, count in counted if count > 1]

    def _pieces(self) -> list[tuple[str, int, int]]:
        """Modality, first and last row of each batch, in the order of training."""
        pieces = [(name, start, stop) for name, bounds in self._subsets() for start, stop in bounds]
        if self.plan.order == "sequential" or self.seed is None:
            return pieces
        generator = torch.Generator().manual_seed(mix_seeds(mix_seeds(self.seed, self.epoch), 1))
        return [pieces[i] for i in torch.randperm(len(pieces), generator=generator).tolist()]

    def _shuffled(self) -> Tensor:
        order = self.order()
        return torch.arange(len(self.rows)) if order is None else order

    def _pure(self, assigned: Tensor) -> Iterator[Batch]:
        order = self._shuffled().to(assigned.device)
        owner = assigned[order]
        full = self.plan.ablation == "reassemble"
        subsets = {}
        for k, name in enumerate(self.names):
            rows = self.rows if full else self.rows.only(name)
            chosen = order[owner == k]
            # one gather per modality and epoch where the rows are on the device
            subsets[name] = (rows.take(chosen), None) if rows.resident else (rows, chosen)
        for name, start, stop in self._pieces():
            rows, numbers = subsets[name]
            if numbers is None:
                X, y = rows[start:stop]
            else:
                X, y = to_device(rows[numbers[start:stop]], self.device)
            X["assigned"] = (name,)
            yield X, y

    def _masked(self, assigned: Tensor) -> Iterator[Batch]:
        order = self._shuffled().to(assigned.device)
        for start, stop in self.bounds(len(self.rows)):
            chosen = order[start:stop]
            X, y = to_device(self.rows[chosen], self.device)
            owner = assigned[chosen].to(self.device)
            X["present"] = {name: owner == k for k, name in enumerate(self.names)}
            X["assigned"] = tuple(self.names)
            yield X, y


def begin_epoch(net: Any, batches: RemixedBatches) -> dict[str, Any]:
    """Cut the coming epoch, and return what the history is to say of it.

    In a remixed epoch accuracy, and each modality's own figures, are those of the pass over all
    training rows that the assignment needs anyway: batches of one modality would measure each
    modality on the rows it knows least.
    """
    plan, rows, names = batches.plan, batches.rows, batches.names
    figures: dict[str, Any] = {}
    batches.remix(None)
    if not plan.is_joint(batches.epoch):
        scores, measured = _look_at_all_rows(net, batches)
        present = None
        if rows.present is not None:
            present = torch.stack([rows.present[name] for name in names], dim=1)
        batches.remix(assign(scores, present, plan.min_share))
        if batches.assigned is not None:
            figures.update(measured)
    having = [len(rows)] * len(names)
    if rows.present is not None:
        having = [int(rows.present[name].sum()) for name in names]
    figures["remixed"] = batches.assigned is not None
    figures["n_skipped"] = batches.n_skipped
    for name, count in zip(names, batches.counts or having, strict=True):
        figures[f"{name}__n_samples"] = count
        figures[f"{name}__share"] = count / len(rows)
    if batches.assigned is not None:
        _warn_of_collapse(net, dict(zip(names, having, strict=True)), figures)
    return figures


@torch.inference_mode()
def _look_at_all_rows(net: Any, batches: RemixedBatches) -> tuple[Tensor, dict[str, float]]:
    """Uncertainty ``(n_samples, n_modalities)`` and figures, from the model as it stands."""
    plan, names = batches.plan, batches.names
    log = EpochLog(names, net.criterion_)
    scores = []
    for X, y in net.get_iterator(batches.rows, training=False):
        output = net.evaluate((X, y))
        if plan.predictor == "mask" and net._module().has_own_logits:
            own = {name: net.evaluate((_only(X, name), y), unimodal=False).logits for name in names}
            output = MultimodalOutput(output.logits, own)
        # what the figures and the scores have in common is computed once
        log_p = {name: F.log_softmax(output.unimodal[name], dim=1) for name in names}
        log.add(torch.zeros((), device=y.device), output, (X, y), log_p=log_p)
        each = [
            uncertainty(output.unimodal[m], y, plan.criterion, plan.temperature, log_p[m])
            for m in names
        ]
        scores.append(torch.stack(each, dim=1))
    figures = log.summary("train")
    del figures["train_loss"]
    return torch.cat(scores).to(batches.rows.codes.device), figures


def _only(X: dict[str, Any], name: str) -> dict[str, Any]:
    part: dict[str, Any] = {"inputs": {name: X["inputs"][name]}}
    if "present" in X:
        part["present"] = {name: X["present"][name]}
    return part


def remixed_loss(net: Any, plan: Remixing, output: MultimodalOutput, batch: Batch) -> Tensor:
    """Cross-entropy of the fused logits, and gamma times that of the assigned modality's own."""
    X, y = batch
    weight = X.get("weight")
    loss = mean_criterion(net.criterion_, output.logits, y, weight)
    for name in X["assigned"]:
        gamma = plan.gamma_of(name)
        if gamma and name in output.unimodal:
            own = {name: output.unimodal[name]}
            loss = (
                loss
                + gamma * unimodal_losses(net.criterion_, own, y, weight, X.get("present"))[name]
            )
    return loss


def _warn_of_collapse(net: Any, having: dict[str, int], figures: dict[str, Any]) -> None:
    """Warn once of each run of `COLLAPSED_EPOCHS` remixed epochs that starve a modality."""
    if len(having) == 1:
        return
    limit = min(COLLAPSED_SHARE, 0.5 / len(having))
    before = itertools.islice(reversed(net.history), 1, None)  # this epoch's row is the last
    earlier = (row for row in before if row.get("remixed"))
    # one more than the run that is warned of, to tell a run that has just become so long
    epochs = [figures, *itertools.islice(earlier, COLLAPSED_EPOCHS)]
    for name, count in having.items():
        low = [row[f"{name}__n_samples"] < int(limit * count) for row in epochs]
        run = low.index(False) if False in low else len(low)
        if run == COLLAPSED_EPOCHS:
            warnings.warn(
                f"Modality {name!r} was given fewer than {limit:.0%} of its rows in "
                f"{COLLAPSED_EPOCHS} remixed epochs in a row, because the others are less sure of "
                "nearly every row; only joint epochs train it on all rows. If accuracy suffers "
                "(see `history_`), use `min_share`, a smaller `joint_every` or remix_after=None.",
                CollapseWarning,
                stacklevel=2,
            )
