"""What sparse modalities take once they are dense, under a limit of memory."""

from __future__ import annotations

from collections.abc import Collection
from math import prod

from scipy.sparse import issparse

from ..modalities import CheckedModalities


def refuse_to_make_dense(checked: CheckedModalities, memory_limit: float | None) -> None:
    """Raise if sparse modalities, which pools make dense, would take more than the limit.

    Raises
    ------
    ValueError
        By the name of the parameter.
    """
    sparse = {name: value for name, value in checked.arrays.items() if issparse(value)}
    size = sum(prod(value.shape) * value.dtype.itemsize for value in sparse.values()) / 1e6
    if memory_limit is not None and size > memory_limit:
        raise ValueError(
            f"`memory_limit`={memory_limit:g} MB is less than the sparse modalities "
            f"{list(sparse)} take when they are made dense, {size:.3g} MB. Raise it, give them "
            "fewer columns (TruncatedSVD), or take LateFusionClassifier or LateFusionRegressor, "
            "which leave them sparse."
        )


def megabytes_beside(checked: CheckedModalities, modalities: Collection[str]) -> float:
    """Megabytes that every fit to some modalities takes because some modalities came sparse.

    Those made dense are held all the while; and the table of an expert on them is another copy,
    where that of others counts for its input.
    """
    held = sum(checked.arrays[name].nbytes for name in checked.were_sparse)
    copied = modalities if set(checked.were_sparse) & set(modalities) else ()
    table = sum(checked.arrays[name].nbytes for name in copied)
    return (held + table) / 1e6
