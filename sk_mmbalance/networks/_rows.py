"""Tensors by rows, and batches sliced from them in one step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from scipy.sparse import issparse
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..modalities import CheckedModalities
from ._aligned import Aligned, aligned, stacked_of
from ._encoding import encode
from ._keys import ByModality

#: Shuffled rows are gathered in blocks of at most so many bytes (of one batch at least), so that
#: they do not all stand in memory twice. Two blocks may: a batch of one is in use when the next is
#: made.
MOST_GATHERED = 2**24

#: One batch, in skorch's form: what the network sees, and the coded target of every row.
Batch = tuple[dict[str, Any], Tensor]


#: From so many columns on, and up to such a share of them that is not zero, a batch of a sparse
#: matrix stays sparse: with fewer columns the dense product is quicker.
_WIDE, _SPARSE = 2**14, 0.01

#: Bytes up to which equal modalities are one tensor: beyond, cutting them one by one is little
#: beside what is computed with them, and a copy of them all is much.
_MOST_TOGETHER = 2**27


class SparseInput:
    """Rows of a CSR matrix; a batch of them is dense, or sparse where that is quicker.

    A wide matrix of few values stays sparse on the CPU: a dense copy of 64 rows of 100,000 columns
    takes as long to make and to multiply as the sparse product takes in all.
    """

    def __init__(self, matrix: Any, dtype: torch.dtype):
        self.matrix = matrix
        self.dtype = dtype
        few = matrix.nnz <= _SPARSE * matrix.shape[0] * matrix.shape[1]
        self.stays_sparse = few and matrix.shape[1] >= _WIDE

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows."""
        return self.matrix.shape

    def take(self, rows: Any) -> SparseInput:
        """Rows in the given order, as new ones."""
        return SparseInput(self.matrix[rows.cpu().numpy()], self.dtype)

    def __getitem__(self, rows: Any) -> Tensor:
        rows = rows.numpy() if isinstance(rows, Tensor) else rows
        part = self.matrix[rows]
        if not self.stays_sparse:
            return torch.from_numpy(part.toarray()).to(self.dtype)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
            return torch.sparse_csr_tensor(
                torch.from_numpy(part.indptr.astype(np.int64)),
                torch.from_numpy(part.indices.astype(np.int64)),
                torch.from_numpy(part.data).to(self.dtype),
                part.shape,
                check_invariants=False,
            )


class EncodedInput:
    """Rows that are encoded when a batch asks for them: they do not all fit into memory."""

    def __init__(self, source: Any, encoding: nn.Module):
        self.source = source
        self.encoding = encoding

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows."""
        return tuple(self.source.shape)

    def __getitem__(self, rows: Any) -> Tensor:
        return encode(self.encoding, self.source[rows])


@dataclass(frozen=True, eq=False)
class ModalityRows(Dataset):
    """Rows of all modalities as tensors on one device.

    Attributes
    ----------
    inputs : dict of str to Tensor of shape (n_samples, ...), SparseInput or EncodedInput
        The modalities.
    codes : Tensor of int64 of shape (n_samples,), or of floats of shape (n_samples, n_outputs)
        Coded target of every row: the position of a class in ``classes_``, or labels or numbers.
    present : dict of str to Tensor of bool, or None
        Rows that have the modality; None when no row lacks any.
    weight : Tensor of shape (n_samples,), or None
        Weight of every row; None when all are 1.
    resident : bool
        Whether all rows fit on the training device at once.
    extras : dict of str to Tensor of shape (n_samples, ...)
        What a balancing method knows of every row; a batch has it under "extras".
    """

    inputs: dict[str, Any]
    codes: Tensor
    present: dict[str, Tensor] | None = None
    weight: Tensor | None = None
    resident: bool = True
    extras: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> Batch:
        """Return a batch: rows by slice (no copy) or by index tensor (one gather)."""
        X: dict[str, Any] = {"inputs": _of_rows(self.inputs, rows)}
        if self.present is not None:
            X["present"] = _of_rows(self.present, rows)
        if self.weight is not None:
            X["weight"] = self.weight[rows]
        if self.extras:
            X["extras"] = {name: value[rows] for name, value in self.extras.items()}
        return X, self.codes[rows]

    @property
    def n_values(self) -> int:
        """Number of values of one row, over all modalities."""
        return sum(math.prod(x.shape[1:]) for x in self.inputs.values())

    @property
    def n_bytes(self) -> int:
        """Bytes of one row of all modalities, where they are tensors."""
        tensors = [x for x in self.inputs.values() if isinstance(x, Tensor)]
        return sum(x.element_size() * math.prod(x.shape[1:]) for x in tensors)

    def only(self, name: str) -> ModalityRows:
        """One modality; for rows that all have it."""
        return replace(self, inputs={name: self.inputs[name]}, present=None)

    def take(self, rows: Tensor) -> ModalityRows:
        """Rows in the given order, as new tensors."""
        apart = {name for name, x in self.inputs.items() if isinstance(x, SparseInput)}
        rest = {name: x for name, x in self.inputs.items() if name not in apart}
        X, codes = (replace(self, inputs=rest) if apart else self)[rows]
        inputs = {**X["inputs"], **{name: self.inputs[name].take(rows) for name in apart}}
        return replace(
            self,
            inputs=inputs if apart else X["inputs"],
            codes=codes,
            present=X.get("present"),
            weight=X.get("weight"),
            extras=X.get("extras", {}),
        )


def _of_rows(values: dict[str, Any], rows: Any) -> dict[str, Any]:
    together = stacked_of(values)
    if together is not None:
        return Aligned(list(values), together[:, rows])
    return {name: value[rows] for name, value in values.items()}


@torch.inference_mode(False)  # tensors that are made in it can never be trained on
def to_rows(
    checked: CheckedModalities,
    codes: np.ndarray | None,
    weight: np.ndarray | None,
    *,
    dtype: torch.dtype,
    device: torch.device,
    encodings: ByModality | None = None,
) -> ModalityRows:
    """Move read input to `device`, or leave it in main memory if it does not fit there.

    Modalities that have one of the `encodings` are encoded.
    """
    if dtype == torch.float32:
        checked.refuse_beyond(np.float32)
    n_bytes = sum(a.size for a in checked.arrays.values()) * dtype.itemsize
    sparse = any(issparse(a) for a in checked.arrays.values())
    resident = not (sparse or checked.on_disk) and n_bytes <= _room_on(device)
    home = device if resident else torch.device("cpu")
    inputs = {name: _tensor(checked.arrays[name], dtype, home) for name in checked.names}
    for name in checked.lengths:  # see `UnequalSteps`
        padding = torch.from_numpy(~checked.padding_mask(name)).to(home)
        padding = padding.view(*padding.shape, *[1] * (inputs[name].ndim - 2))
        inputs[name] = inputs[name].masked_fill(padding, torch.nan)
    for name in encodings or ():
        x, encoding = inputs[name], encodings[name]  # type: ignore[index]
        inputs[name] = encode(encoding, x) if resident else EncodedInput(x, encoding)
    if codes is None:
        codes = np.zeros(checked.n_samples, dtype=np.int64)
    present = None
    if checked.has_missing:
        present = {
            name: torch.from_numpy(np.ascontiguousarray(checked.present_in(name))).to(home)
            for name in checked.names
        }
    if resident and n_bytes <= _MOST_TOGETHER:
        inputs = aligned(inputs)
        present = None if present is None else aligned(present)
    return ModalityRows(
        inputs,
        _coded(codes, dtype, home),
        present,
        None if weight is None else _tensor(weight, dtype, home),
        resident,
    )


def _coded(codes: np.ndarray, dtype: torch.dtype, device: torch.device) -> Tensor:
    if codes.ndim == 1:
        return torch.from_numpy(codes.astype(np.int64)).to(device)
    return torch.from_numpy(np.ascontiguousarray(codes)).to(device=device, dtype=dtype)


def _room_on(device: torch.device) -> float:
    if device.type != "cuda":
        return float("inf")
    free, _ = torch.cuda.mem_get_info(device)
    return 0.5 * free  # the other half is for the network and its activations


def _tensor(array: Any, dtype: torch.dtype, device: torch.device) -> Any:
    if issparse(array):
        return SparseInput(array, dtype)
    with warnings.catch_warnings():
        # read-only memory (a memory-mapped file, a worker's shared array) is only ever read
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        tensor = torch.from_numpy(array)
    return tensor.to(device=device, dtype=dtype)


class RowBatches:
    """Batches of a `ModalityRows`, for one net; iterated once per epoch.

    Shuffled rows are gathered many at a time (all, if `MOST_GATHERED` allows) and then sliced,
    which costs a tenth of gathering each batch. The order is drawn from `seed` and the number of
    the epoch alone: it depends on nothing the network does, and a training run that is continued
    draws new orders.

    A last batch of one row is joined to the one before it: layers with batch statistics cannot
    take a single row.

    Parameters
    ----------
    rows : ModalityRows
        What to iterate over.
    batch_size : int
        Rows per batch.
    device : torch.device
        Where batches are wanted.
    seed : int, default=None
        Seed of the shuffling; None keeps the order.
    """

    def __init__(
        self, rows: ModalityRows, batch_size: int, device: torch.device, seed: int | None = None
    ):
        self.rows = rows
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self.epoch = 0
        self._visits: tuple[Tensor, dict[str, Tensor]] | None = None

    def visit(self, numbers: Tensor | None, present: dict[str, Tensor] | None = None) -> None:
        """Say which rows the coming epochs visit, and with what; None is every row once.

        Parameters
        ----------
        numbers : Tensor of int64 of shape (n_visits,), or None
            Numbers of the rows; one that stands twice is visited twice.
        present : dict of str to Tensor of bool of shape (n_visits,)
            Which modalities each visit sees.
        """
        self._visits = None if numbers is None else (numbers, present or {})

    @property
    def n_visits(self) -> int:
        """Rows of an epoch, as often as they are visited."""
        return len(self.rows) if self._visits is None else len(self._visits[0])

    def __len__(self) -> int:
        return len(self.bounds(self.n_visits))

    def bounds(self, n_rows: int) -> list[tuple[int, int]]:
        """First and last row of every batch."""
        starts = list(range(0, n_rows, self.batch_size))
        if len(starts) > 1 and n_rows - starts[-1] == 1:
            starts.pop()
        return list(zip(starts, [*starts[1:], n_rows], strict=True))

    def order(self) -> Tensor | None:
        """Row numbers in this epoch's order; None for the order given."""
        if self.seed is None:
            return None
        generator = torch.Generator().manual_seed(mix_seeds(self.seed, self.epoch))
        return torch.randperm(self.n_visits, generator=generator)

    def __iter__(self) -> Iterator[Batch]:
        order = self.order()
        bounds = self.bounds(self.n_visits)
        if self._visits is not None:
            yield from self._visited(order, *self._visits)
        elif not self.rows.resident:
            for start, stop in bounds:
                chosen = slice(start, stop) if order is None else order[start:stop]
                yield to_device(self.rows[chosen], self.device)
        elif order is None:
            for start, stop in bounds:
                yield self.rows[start:stop]
        else:
            yield from self._gathered(order.to(self.device), bounds)

    def _visited(
        self, order: Tensor | None, numbers: Tensor, present: dict[str, Tensor]
    ) -> Iterator[Batch]:
        if order is not None:
            order = order.to(numbers.device)
            numbers = numbers[order]
            present = {name: here[order] for name, here in present.items()}
        bounds = self.bounds(len(numbers))
        if self.rows.resident:
            batches = self._gathered(numbers, bounds)
        else:
            batches = (self.rows[numbers[start:stop]] for start, stop in bounds)
        for (start, stop), batch in zip(bounds, batches, strict=True):
            batch[0]["present"] = {name: here[start:stop] for name, here in present.items()}
            yield batch if self.rows.resident else to_device(batch, self.device)

    def _gathered(self, numbers: Tensor, bounds: list[tuple[int, int]]) -> Iterator[Batch]:
        """Batches of rows by number, gathered in blocks."""
        most = max(1, MOST_GATHERED // max(1, self.rows.n_bytes))
        place = 0
        while place < len(bounds):
            first = last = bounds[place][0]
            block: list[tuple[int, int]] = []
            while place < len(bounds) and (not block or bounds[place][1] - first <= most):
                block.append(bounds[place])
                last = bounds[place][1]
                place += 1
            rows = self.rows.take(numbers[first:last])
            for start, stop in block:
                yield rows[start - first : stop - first]
            del rows  # before the next are gathered


def mix_seeds(*numbers: int) -> int:
    """One seed from several numbers, without the collisions of a sum."""
    words: Any = numbers
    if max(numbers) < 2**32:  # numpy takes longer to make words of numbers than to mix them
        words = np.array(numbers, dtype=np.uint32)
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move a batch; what waits in main memory goes to a GPU without blocking."""
    X, codes = batch

    def move(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: move(item) for key, item in value.items()}
        if value.layout is not torch.strided:  # a GPU makes it dense quicker than it multiplies it
            moved = value.to(device)
            return moved if device.type == "cpu" else moved.to_dense()
        if device.type == "cuda" and value.device.type == "cpu":
            value = value.pin_memory()
        return value.to(device, non_blocking=True)

    return {key: move(value) for key, value in X.items()}, move(codes)
