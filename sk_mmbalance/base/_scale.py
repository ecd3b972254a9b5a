"""A word of warning when features come as they were measured, not standardised."""

from __future__ import annotations

import warnings
from collections.abc import Collection

import numpy as np
from scipy.sparse import issparse

from ..exceptions import ScaleWarning
from ..modalities import CheckedModalities

#: Standard deviation above which a feature drowns the initial weights of its network, which are
#: made for features of about 1. Pixels from 0 to 16 are still learnt well; pixels to 255, lux or
#: ppm are not.
SPREAD = 30.0

#: Root mean square above which a feature does so whatever its standard deviation.
LARGE = 200.0

#: A modality whose every feature is below this hardly reaches its network.
SMALL = 1e-3

#: A million squares of it can still be added up in float64.
LARGEST = 1e150

#: Rows that are looked at, evenly spread: the size of a feature needs no more.
_ROWS = 1000


def warn_if_unscaled(
    checked: CheckedModalities,
    who: str = "networks",
    *,
    centred: bool = False,
    leave_out: Collection[str] = (),
    stacklevel: int = 4,
) -> bool:
    """Warn of modalities with features far larger, or all far smaller, than 1.

    Sparse modalities are left alone: they are counts or indicators, and standardising would make
    them dense.

    Parameters
    ----------
    checked : CheckedModalities
        The modalities.
    who : str, default="networks"
        Who wants features of about 1, for the message.
    centred : bool, default=False
        Whether features are centred before they are used, so that only their spread matters.
    leave_out : collection of str, default=()
        Modalities whose scale does not matter.
    stacklevel : int, default=4
        Where the warning points: by default the line that called `fit`, from `fit` itself, which
        has a wrapper.

    Returns
    -------
    warned : bool
        Whether there was something to warn of.
    """
    warned = False
    by_step = ", ".join(f"{name!r}: StepTransformer(StandardScaler())" for name in checked.lengths)
    for name in checked.names:
        if name in leave_out or issparse(checked.arrays[name]):
            continue
        present = np.flatnonzero(checked.present_in(name))
        rows = present[:: max(1, len(present) // _ROWS)]
        if name in checked.lengths:  # each step is a row
            values = checked.arrays[name][rows][checked.padding_mask(name)[rows]]
            values = values.reshape(len(values), -1).astype(np.float64)
        else:
            values = np.asarray(checked.flat(name)[rows], dtype=np.float64)
        if not values.size:
            continue
        with np.errstate(over="ignore", invalid="ignore"):  # such a size is infinite, and said so
            size, spread = np.sqrt(np.mean(values**2, axis=0)), values.std(axis=0)
            spread = np.where(np.isnan(spread), size, spread)
        measure, most = "root mean square", SPREAD
        if centred:
            # what is left of a constant feature is rounding
            size, measure, most = np.where(spread > 1e-10 * size, spread, 0.0), "spread", LARGE
        largest = int(size.argmax())
        if size[largest] > LARGE or spread.max() > most:
            what = f"feature {largest} of modality {name!r} is of size {size[largest]:.3g}"
        elif 0 < size[largest] < SMALL:
            what = f"no feature of modality {name!r} is larger than {size[largest]:.3g}"
        else:
            continue
        warnings.warn(
            f"`X` is not scaled: {what} ({measure}), and {who} want features of about 1. Put "
            f"ModalityTransformer({{{by_step}}}, remainder=StandardScaler()) before the estimator.",
            ScaleWarning,
            stacklevel=stacklevel,
        )
        warned = True
    return warned


def refuse_unsquarable(checked: CheckedModalities) -> None:
    """Raise where numbers are finite and sums of their squares would not be.

    Parameters
    ----------
    checked : CheckedModalities
        The modalities.

    Raises
    ------
    ValueError
        By the name of the modality and its largest value.
    """
    for name in checked.names:
        values, present = checked.arrays[name], checked.present_in(name)
        if issparse(values):
            values = values.data
        elif not present.all():  # to choose rows is to copy them
            values = values[present]
        # two passes without a copy; of NaN there is none left in rows that are present
        largest = max(float(values.max()), -float(values.min())) if values.size else 0.0
        if largest > LARGEST:
            raise ValueError(
                f"`X` modality {name!r} has values up to {largest:.2g}, of whose squares no sum "
                "can be made. Give it in other units (divide it by a constant)."
            )
