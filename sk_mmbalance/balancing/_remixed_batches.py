"""Batches of remixed epochs: each trains one modality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..networks import Batch, RowBatches, mix_seeds, to_device


class RemixedBatches(RowBatches):
    """Batches of `RowBatches` in joint epochs, batches of one modality each in remixed ones.

    A batch of a remixed epoch says in ``X["assigned"]`` which modalities it trains: one, and then
    ``X["inputs"]`` holds that modality alone (all modalities with ``ablation="reassemble"``).
    With ``ablation="decouple"`` rows of all modalities stand side by side, each masked to its own.

    Parameters
    ----------
    plan : DataRemixing
        How, and whose loss the batches have.
    *args, **kwargs
        As in `RowBatches`.
    """

    def __init__(self, plan: Any, *args: Any, **kwargs: Any):
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
        subsets = self._subsets()
        listed = isinstance(self.plan.order, list)
        if listed:
            subsets.sort(key=lambda subset: self.plan.order.index(subset[0]))
        pieces = [(name, start, stop) for name, bounds in subsets for start, stop in bounds]
        if listed or self.plan.order == "sequential" or self.seed is None:
            return pieces
        generator = torch.Generator().manual_seed(mix_seeds(mix_seeds(self.seed, self.epoch), 1))
        return [pieces[i] for i in torch.randperm(len(pieces), generator=generator).tolist()]

    def cut(self) -> tuple[Tensor, list[tuple[str, int]]]:
        """Rows of a remixed epoch in the order of training; modality and size of each batch."""
        assert self.assigned is not None
        order = self._shuffled().to(self.assigned.device)
        owner = self.assigned[order]
        subsets = {name: order[owner == k] for k, name in enumerate(self.names)}
        pieces = self._pieces()
        rows = torch.cat([subsets[name][start:stop] for name, start, stop in pieces])
        return rows, [(name, stop - start) for name, start, stop in pieces]

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
            X["assigned"], X["cut_by"] = (name,), self.plan
            yield X, y

    def _masked(self, assigned: Tensor) -> Iterator[Batch]:
        order = self._shuffled().to(assigned.device)
        for start, stop in self.bounds(len(self.rows)):
            chosen = order[start:stop]
            X, y = to_device(self.rows[chosen], self.device)
            owner = assigned[chosen].to(self.device)
            X["present"] = {name: owner == k for k, name in enumerate(self.names)}
            X["assigned"], X["cut_by"] = tuple(self.names), self.plan
            yield X, y
