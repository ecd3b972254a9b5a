"""Wine: one chemical analysis, split by kind of measurement."""

from typing import Any

from sklearn.datasets import load_wine

from ._bunch import pack

_DESCR = """\
Wine recognition in three views
===============================

The data of :func:`sklearn.datasets.load_wine` (178 wines of three cultivars), its 13 columns split
by the kind of measurement:

- ``composition``: alcohol, malic acid, ash, alcalinity of ash, magnesium, proline (6 features);
- ``phenols``: total phenols, flavanoids, nonflavanoid phenols, proanthocyanins (4 features);
- ``colour``: colour intensity, hue, OD280/OD315 of diluted wines (3 features).

The split is ours. The views are of the same bottles, and chemically related: OD280/OD315 is an
optical measure of the phenols, for one.

Source: UCI Machine Learning Repository, S. Aeberhard and M. Forina (1991), as bundled with
scikit-learn.
"""

_VIEWS = {
    "composition": ["alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "proline"],
    "phenols": ["total_phenols", "flavanoids", "nonflavanoid_phenols", "proanthocyanins"],
    "colour": ["color_intensity", "hue", "od280/od315_of_diluted_wines"],
}


def load_wine_views(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the wine data of scikit-learn in three views.

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
        With ``data`` (:class:`~sk_mmbalance.Modalities` of ``colour`` (178, 3), ``composition``
        (178, 6) and ``phenols`` (178, 4)), ``target`` of shape (178,), ``target_names``,
        ``feature_names`` (dict of modality to list) and ``DESCR``.
    (data, target) : tuple
        If ``return_X_y`` is True.

    Examples
    --------
    >>> from sk_mmbalance.datasets import load_wine_views
    >>> bunch = load_wine_views()
    >>> bunch.feature_names["colour"]
    ['color_intensity', 'hue', 'od280/od315_of_diluted_wines']
    >>> round(float(bunch.data["phenols"][:, 0].mean()), 3)
    2.295
    """
    source = load_wine()
    column = {name: i for i, name in enumerate(source.feature_names)}
    return pack(
        {m: source.data[:, [column[name] for name in names]] for m, names in _VIEWS.items()},
        source.target,
        target_names=source.target_names,
        feature_names=_VIEWS,
        descr=_DESCR,
        return_X_y=return_X_y,
        as_frame=as_frame,
    )
