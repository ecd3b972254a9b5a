"""Synthetic modalities of known and unequal worth."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state

from ..modalities import Modalities
from ._bayes import BayesRule, simplex_means
from ._parameters import check_ranges, is_integer, per_modality, read_names, read_weights

# The first modality of the defaults has this noise, each further one twice that of the one
# before: with two classes .894 alone, .734 alone and .919 together.
_FIRST_NOISE = 0.4
_NOISE_RATIO = 2.0


def make_imbalanced_modalities(
    n_samples: int = 1000,
    n_classes: int = 2,
    *,
    modalities: int | Sequence[str] = ("strong", "weak"),
    n_informative: int | Sequence[int] | Mapping[str, int] | None = None,
    n_uninformative: int | Sequence[int] | Mapping[str, int] = 0,
    noise: float | Sequence[float] | Mapping[str, float] | None = None,
    redundancy: float | Sequence[float] | Mapping[str, float] = 0.0,
    missing_rate: float | Sequence[float] | Mapping[str, float] = 0.0,
    weights: Sequence[float] | None = None,
    random_state: int | RandomState | None = None,
) -> tuple[Modalities, np.ndarray, BayesRule]:
    r"""Make modalities of unequal worth, with the accuracy that can be reached on them.

    The class means are the corners :math:`v_k` of a regular simplex with edges of length 1. In
    its informative features, turned at random, modality :math:`m` shows

    .. math:: v_y + \sqrt{\rho_m}\, \tau_{\min}\, \varepsilon_0
              + \sqrt{\tau_m^2 - \rho_m \tau_{\min}^2}\; \varepsilon_m

    with standard normal :math:`\varepsilon`: noise of standard deviation :math:`\tau_m`
    (``noise``), of which a share is common to all modalities. :math:`\rho_m` (``redundancy``)
    measures that share by the noise :math:`\tau_{\min}` of the best modality. With
    ``redundancy=1`` every modality is a noisier copy of the best one, and the others add nothing
    to it; with 0 their noise is independent, and together they reach the most.

    Like scikit-learn's ``make_*`` functions this returns a tuple, so that one line unpacks it;
    the third item answers what is reachable, for any coalition of modalities and for any row.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows, at least ``n_classes``.
    n_classes : int, default=2
        Number of classes.
    modalities : int or sequence of str, default=("strong", "weak")
        Names of the modalities, or their number; they are then called ``modality_0``,
        ``modality_1``, and so on.
    n_informative : int, sequence of int or dict of str to int, default=None
        Number of features that carry the class, per modality: 0 (a modality without any
        information), or at least ``n_classes - 1``. None means twice that number. These are the
        first features of a modality.
    n_uninformative : int, sequence of int or dict of str to int, default=0
        Number of further features that are only noise, per modality.
    noise : float, sequence of float or dict of str to float, default=None
        Standard deviation of the noise in every feature, per modality, where the class means are
        1 apart. None means 0.4 for the first modality, and for each further one twice that of
        the one before.
    redundancy : float, sequence of float or dict of str to float, default=0.0
        Common part of the noise, per modality, from 0 to 1: see above.
    missing_rate : float, sequence of float or dict of str to float, default=0.0
        Probability that a modality is missing in a row (all its features NaN), per modality, at
        least 0 and below 1. A row that would lose all modalities keeps one, drawn at random. The
        other values do not depend on this parameter.
    weights : sequence of float of length n_classes, default=None
        Class proportions, summing to 1. None means equal ones. The class counts are
        ``n_samples * weights`` up to rounding, and at least 1.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same data in every call.

    Returns
    -------
    X : Modalities
        The data: one array of shape (n_samples, n_informative + n_uninformative) per modality.
    y : ndarray of int of shape (n_samples,)
        The classes, 0 to ``n_classes - 1``.
    bayes : BayesRule
        The optimal rule: ``bayes.accuracy`` maps each modality, ``"joint"`` and ``"observed"``
        (the rows as drawn, with what is missing) to its accuracy;
        ``bayes.accuracy_of(names)`` gives any coalition's, ``bayes.predict_proba(X)`` the true
        class probabilities.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or names other modalities than ``modalities``.
    TypeError
        If a value per modality is no number.

    Notes
    -----
    The accuracies are exact (numerical integration in one dimension, to about 1e-12): the
    coalition's best linear estimate of :math:`v_y` is a sufficient statistic, and all that
    matters of it is its variance. They hold for class proportions ``weights``.

    The model is ours, made to be solvable; "redundancy" means shared noise here. Unequal shares
    can make modalities complementary instead: one that shows the common noise alone helps to
    subtract it from another.

    Examples
    --------
    >>> from sk_mmbalance.datasets import make_imbalanced_modalities
    >>> X, y, bayes = make_imbalanced_modalities(
    ...     300,
    ...     3,
    ...     modalities=["face", "voice"],
    ...     noise={"face": 0.3, "voice": 0.9},
    ...     random_state=0,
    ... )
    >>> X["face"].shape
    (300, 4)
    >>> bayes
    BayesRule(face=0.916, voice=0.570, joint=0.930, observed=0.930)

    The same, but the voice is a noisier copy of the face:

    >>> _, _, bayes = make_imbalanced_modalities(
    ...     300, 3, modalities=["face", "voice"], noise=[0.3, 0.9], redundancy=1.0
    ... )
    >>> bayes
    BayesRule(face=0.916, voice=0.570, joint=0.916, observed=0.916)
    """
    names = read_names(modalities)
    if not is_integer(n_classes) or n_classes < 2:
        raise ValueError(f"`n_classes` must be an int of at least 2, got {n_classes!r}.")
    if not is_integer(n_samples) or n_samples < n_classes:
        raise ValueError(
            f"`n_samples` must be an int of at least `n_classes`={n_classes}, got {n_samples!r}."
        )
    priors = read_weights(weights, n_classes)
    informative = per_modality("n_informative", n_informative, names, 2 * (n_classes - 1), int)
    uninformative = per_modality("n_uninformative", n_uninformative, names, 0, int)
    ladder = [_FIRST_NOISE * _NOISE_RATIO**i for i in range(len(names))]
    tau = per_modality("noise", ladder if noise is None else noise, names, None, float)
    rho = per_modality("redundancy", redundancy, names, 0.0, float)
    missing = per_modality("missing_rate", missing_rate, names, 0.0, float)
    check_ranges(n_classes, informative, uninformative, tau, rho, missing)

    rng = check_random_state(random_state)
    y = _draw_classes(priors, n_samples, rng)
    informed = [tau[m] for m in names if informative[m]]
    least = min(informed, default=0.0) ** 2
    common = rng.standard_normal((n_samples, n_classes - 1))
    means = simplex_means(n_classes)[y]
    # by sorted name, so that the order in which modalities are named changes nothing
    bases, shared, arrays = {}, {}, {}
    for m in sorted(names):
        shared[m] = rho[m] * least
        own = np.sqrt(max(tau[m] ** 2 - shared[m], 0.0))
        features = tau[m] * rng.standard_normal((n_samples, informative[m] + uninformative[m]))
        signal = means + np.sqrt(shared[m]) * common + own * rng.standard_normal(means.shape)
        bases[m] = _draw_basis(informative[m], uninformative[m], n_classes - 1, rng)
        # along the basis the features show the signal, across it noise only
        arrays[m] = features + (signal - features @ bases[m]) @ bases[m].T
    present = _draw_present(missing, n_samples, rng)
    for m, here in zip(sorted(names), present.T, strict=True):
        arrays[m][~here] = np.nan
    return Modalities(arrays), y, BayesRule(priors, bases, tau, shared, present)


def _draw_classes(priors: np.ndarray, n_samples: int, rng: RandomState) -> np.ndarray:
    """Shuffle class counts that follow the proportions (largest remainders), none of them 0."""
    free = n_samples - len(priors)
    wanted = np.clip(priors * n_samples - 1.0, 0.0, None)
    wanted *= free / max(wanted.sum(), 1e-300)
    counts = np.floor(wanted).astype(int)
    most = np.argsort(counts - wanted, kind="stable")[: free - counts.sum()]
    counts[most] += 1
    return rng.permutation(np.repeat(np.arange(len(priors)), counts + 1))


def _draw_basis(n_informative: int, n_uninformative: int, dim: int, rng: RandomState) -> np.ndarray:
    """Orthonormal columns over the informative features, zeros over the others."""
    basis = np.zeros((n_informative + n_uninformative, dim))
    if n_informative:
        basis[:n_informative] = np.linalg.qr(rng.standard_normal((n_informative, dim)))[0]
    return basis


def _draw_present(missing: Mapping[str, float], n_samples: int, rng: RandomState) -> np.ndarray:
    """Presence by row and sorted name; no row is empty."""
    rates = np.array([missing[m] for m in sorted(missing)])
    present = rng.random_sample((n_samples, len(rates))) >= rates
    kept = rng.randint(len(rates), size=n_samples)
    empty = ~present.any(axis=1)
    present[empty, kept[empty]] = True
    return present
