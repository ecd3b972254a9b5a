"""Handwritten digits: parts and projections of one small image."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from ._bunch import pack

_DESCR = """\
Handwritten digits in views
===========================

The data of :func:`sklearn.datasets.load_digits` (1797 images of 8 x 8 pixels with values 0 to 16,
ten classes), seen in parts or projections:

- ``upper``, ``lower``, ``left``, ``right``: one half of the image (32 features);
- ``rows``, ``columns``: the sums of the pixels over each row or column (8 features);
- ``image``: the whole image (64 features).

All views show the same image. Halves that do not overlap (``upper`` and ``lower``, ``left`` and
``right``) share no pixel; the other combinations do, and with ``image`` in it no other view adds
anything in principle.

The writers of the digits are not known here, so that training and test rows may share a writer.

Source: UCI Machine Learning Repository, E. Alpaydin and C. Kaynak (1998), as bundled with
scikit-learn.
"""

_PARTS: dict[str, tuple[slice, slice]] = {
    "image": (slice(0, 8), slice(0, 8)),
    "upper": (slice(0, 4), slice(0, 8)),
    "lower": (slice(4, 8), slice(0, 8)),
    "left": (slice(0, 8), slice(0, 4)),
    "right": (slice(0, 8), slice(4, 8)),
}
_PROJECTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rows": lambda images: images.sum(axis=2),
    "columns": lambda images: images.sum(axis=1),
}


def load_digits_views(
    *,
    views: Sequence[str] = ("upper", "lower"),
    as_images: bool = False,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load the handwritten digits of scikit-learn in views of one's choice.

    Parameters
    ----------
    views : sequence of str, default=("upper", "lower")
        Any of "image", "upper", "lower", "left", "right" (parts of the image) and "rows",
        "columns" (sums over rows or columns).
    as_images : bool, default=False
        Give the parts as images of shape (n_samples, 1, height, width) instead of flat rows.
        The projections stay flat.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Give ``data`` as a DataFrame with two-level columns (modality, feature) and ``target`` as
        a Series. Not together with ``as_images``.

    Returns
    -------
    bunch : sklearn.utils.Bunch
        With ``data`` (:class:`~sk_mmbalance.Modalities`), ``target`` of shape (1797,),
        ``target_names``, ``feature_names`` (dict of modality to list) and ``DESCR``.
    (data, target) : tuple
        If ``return_X_y`` is True.

    Raises
    ------
    ValueError
        If ``views`` is empty or holds an unknown or repeated name, or if images are asked for as
        a frame.

    Examples
    --------
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(views=["image", "rows"], as_images=True, return_X_y=True)
    >>> X["image"].shape, X["rows"].shape
    ((1797, 1, 8, 8), (1797, 8))
    >>> round(float(X["image"].mean()), 3)
    4.884
    """
    known = [*_PARTS, *_PROJECTIONS]
    names = [views] if isinstance(views, str) else list(views)
    if not names or len(set(names)) < len(names) or not set(names) <= set(known):
        raise ValueError(
            f"`views` must hold one or more different names of {known}, got {views!r}."
        )
    source = load_digits()
    arrays: dict[str, np.ndarray] = {}
    columns: dict[str, list[str]] = {}
    for m in names:
        if m in _PROJECTIONS:
            arrays[m] = _PROJECTIONS[m](source.images)
            columns[m] = [f"{m.removesuffix('s')}_{i}" for i in range(8)]
            continue
        part = source.images[:, *_PARTS[m]]
        part = part.copy()  # views may overlap, their arrays must not
        arrays[m] = part[:, None] if as_images else part.reshape(len(part), -1)
        rows, across = (range(8)[side] for side in _PARTS[m])
        columns[m] = [f"pixel_{i}_{j}" for i in rows for j in across]
    return pack(
        arrays,
        source.target,
        target_names=[str(k) for k in source.target_names],
        feature_names=columns,
        descr=_DESCR,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )
