"""Breast cancer: three statistics of the same cell nuclei."""

from typing import Any

from sklearn.datasets import load_breast_cancer

from ._bunch import pack

_DESCR = """\
Breast cancer Wisconsin (diagnostic) in three views
===================================================

The data of :func:`sklearn.datasets.load_breast_cancer` (569 tumours, 212 malignant and 357
benign), its 30 columns split by the statistic they are. Ten properties of the cell nuclei in an
image were measured (radius, texture, perimeter, area, smoothness, compactness, concavity, concave
points, symmetry, fractal dimension), and of each property three statistics over the nuclei of
the image were taken:

- ``mean``: the mean (10 features);
- ``error``: the standard error of the mean (10 features);
- ``worst``: the mean of the three largest values (10 features).

All views come from the same nuclei of the same image: they overlap in what they know, and no view
is an independent measurement. ``error`` is the weakest of them.

Source: UCI Machine Learning Repository, W. H. Wolberg, W. N. Street and O. L. Mangasarian (1995),
as bundled with scikit-learn.
"""

# in the order of scikit-learn's columns
_VIEWS = ("mean", "error", "worst")


def load_breast_cancer_views(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the breast cancer data of scikit-learn in three views.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Give ``data`` as a DataFrame with two-level columns (modality, feature) and ``target`` as
        a Series.

    Returns
    -------
    bunch : sklearn.utils.Bunch
        With ``data`` (:class:`~sk_mmbalance.Modalities` of ``error``, ``mean`` and ``worst``,
        each of shape (569, 10)), ``target`` of shape (569,) (0 malignant, 1 benign),
        ``target_names``, ``feature_names`` (dict of modality to list) and ``DESCR``.
    (data, target) : tuple
        If ``return_X_y`` is True.

    Examples
    --------
    >>> from sk_mmbalance.datasets import load_breast_cancer_views
    >>> X, y = load_breast_cancer_views(return_X_y=True)
    >>> {name: X[name].shape for name in X.names}
    {'error': (569, 10), 'mean': (569, 10), 'worst': (569, 10)}
    >>> round(float(X["mean"][:, 0].mean()), 2)
    14.13
    """
    source = load_breast_cancer()
    blocks = {m: slice(10 * i, 10 * i + 10) for i, m in enumerate(_VIEWS)}
    return pack(
        {m: source.data[:, block].copy() for m, block in blocks.items()},
        source.target,
        target_names=source.target_names,
        feature_names={m: source.feature_names[block].tolist() for m, block in blocks.items()},
        descr=_DESCR,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )
