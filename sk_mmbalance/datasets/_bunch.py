"""The one shape that every loader returns its data in."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ..modalities import Modalities


def pack(
    arrays: Mapping[str, np.ndarray],
    target: np.ndarray,
    *,
    target_names: Sequence[str],
    feature_names: Mapping[str, Sequence[str]],
    descr: str,
    return_X_y: bool,
    as_frame: bool,
    **further: Any,
) -> Any:
    """Wrap modalities and labels as scikit-learn's loaders do.

    Parameters
    ----------
    arrays : mapping of str to ndarray of shape (n_samples, ...)
        The modalities.
    target : ndarray of shape (n_samples,)
        The labels.
    target_names : sequence of str
        Names of the classes.
    feature_names : mapping of str to sequence of str
        Names of the columns of each modality, in the order of the flattened array.
    descr : str
        Description of the set.
    return_X_y : bool
        Return the pair of data and target alone.
    as_frame : bool
        Give the data as a DataFrame with two-level columns and the target as a Series.
    **further : Any
        Further entries of the Bunch.

    Returns
    -------
    result : Bunch or tuple
    """
    data: Modalities | pd.DataFrame = Modalities(arrays)
    labels: np.ndarray | pd.Series = target
    if as_frame:
        if any(array.ndim != 2 for array in arrays.values()):
            raise ValueError(
                "`as_frame=True` needs flat modalities, but images were asked for. "
                "Pass `as_images=False`, or take the arrays."
            )
        frames = {m: pd.DataFrame(arrays[m], columns=list(feature_names[m])) for m in arrays}
        data = Modalities(frames).to_frame()
        labels = pd.Series(target, name="target")
    if return_X_y:
        return data, labels
    return Bunch(
        data=data,
        target=labels,
        target_names=np.asarray(target_names),
        feature_names={m: list(feature_names[m]) for m in sorted(arrays)},
        DESCR=descr,
        **further,
    )
