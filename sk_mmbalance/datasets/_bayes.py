"""What the best possible classifier can do on data of `make_imbalanced_modalities`.

The classes are Gaussians of equal covariance, their means the corners of a regular simplex.
Every coalition of modalities then acts like *one* measurement of the class mean with a single
precision (the inverse of its noise variance), so that the accuracy of the Bayes rule is a
one-dimensional integral, whatever the number of classes, of modalities and of features.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
from scipy.linalg import helmert
from scipy.special import log_ndtr, softmax

from ..modalities import Modalities

# The integrand is at most the standard normal density: below 1e-19 outside (-9, 9). The
# trapezoidal rule converges geometrically on it; halving this step changes no digit of a double.
_GRID = np.linspace(-9.0, 9.0, 1801)


def simplex_means(n_classes: int) -> np.ndarray:
    """Corners of a regular simplex with unit edges, centred at the origin.

    Parameters
    ----------
    n_classes : int
        Number of corners, at least 2.

    Returns
    -------
    means : ndarray of shape (n_classes, n_classes - 1)
    """
    return helmert(n_classes).T / np.sqrt(2.0)


def simplex_accuracy(precision: float, priors: np.ndarray) -> float:
    r"""Accuracy of the Bayes rule for Gaussians at the corners of a unit simplex.

    With :math:`a = \sqrt{\lambda / 2}` for the precision :math:`\lambda`, the discriminants of
    the classes are independent normal variables, shifted by :math:`a` for the true class, so

    .. math::
        \sum_k \pi_k \int \varphi(u) \prod_{j \ne k}
        \Phi\left(u + a + \tfrac{1}{a} \log(\pi_k / \pi_j)\right) du .

    Parameters
    ----------
    precision : float
        Inverse variance of the noise, in units of the squared edge of the simplex.
    priors : ndarray of shape (n_classes,)
        Class probabilities, all positive.

    Returns
    -------
    accuracy : float
    """
    if precision == 0.0:
        return float(priors.max())
    a = np.sqrt(precision / 2.0)
    # classes of the same prior share their integral
    values, counts = np.unique(priors, return_counts=True)
    density = np.exp(-0.5 * _GRID**2) / np.sqrt(2.0 * np.pi)
    own = log_ndtr(_GRID + a)
    total = 0.0
    for prior, count in zip(values, counts, strict=True):
        shifts = a + np.log(prior / values) / a
        logs = counts @ log_ndtr(_GRID + shifts[:, None]) - own
        total += count * prior * np.trapezoid(density * np.exp(logs), _GRID)
    return float(np.clip(total, priors.max(), 1.0))


class BayesRule:
    """The Bayes rule of data made by :func:`make_imbalanced_modalities`.

    It knows the parameters that the data were drawn with. It is a yardstick, not an estimator:
    there is nothing to fit.

    Parameters
    ----------
    priors : ndarray of shape (n_classes,)
        Class probabilities.
    bases : mapping of str to ndarray of shape (n_features, n_classes - 1)
        Per modality the orthonormal directions that carry the class means; rows of zeros belong
        to features without information, and a matrix of zeros to a modality without any.
    noise : mapping of str to float
        Standard deviation of the noise of each modality.
    shared : mapping of str to float
        Variance of the part of that noise which is common to all modalities. A modality's
        amplitude of the common noise is the square root of its value.
    present : ndarray of bool of shape (n_samples, n_modalities), default=None
        Which modality is present in which row of the data drawn, columns in the order of the
        sorted names. None: all of them.

    Attributes
    ----------
    accuracy : mapping of str to float
        Accuracy of the Bayes rule for each modality alone, for all of them under ``"joint"``,
        and under ``"observed"`` for the rows as they were drawn, each with the modalities that
        it has (equal to ``"joint"`` when nothing is missing).
    modality_names : tuple of str
        The modalities, sorted.
    priors : ndarray of shape (n_classes,)
        Class probabilities.

    Examples
    --------
    >>> from sk_mmbalance.datasets import make_imbalanced_modalities
    >>> X, y, bayes = make_imbalanced_modalities(random_state=0)
    >>> {name: round(value, 3) for name, value in bayes.accuracy.items()}
    {'strong': 0.894, 'weak': 0.734, 'joint': 0.919, 'observed': 0.919}
    >>> print(f"{(bayes.predict(X) == y).mean():.3f}")
    0.933
    """

    def __init__(
        self,
        priors: np.ndarray,
        bases: Mapping[str, np.ndarray],
        noise: Mapping[str, float],
        shared: Mapping[str, float],
        present: np.ndarray | None = None,
    ) -> None:
        self.priors = priors
        self.modality_names = tuple(sorted(bases))
        self._bases = dict(bases)
        self._noise = dict(noise)
        self._shared = dict(shared)
        self._informative = tuple(m for m in self.modality_names if np.any(self._bases[m]))
        accuracy = {m: self.accuracy_of([m]) for m in self.modality_names}
        accuracy["joint"] = self.accuracy_of(self.modality_names)
        accuracy["observed"] = accuracy["joint"] if present is None else self._observed(present)
        self.accuracy: Mapping[str, float] = MappingProxyType(accuracy)

    def __repr__(self) -> str:
        """Give the accuracies, rounded."""
        values = ", ".join(f"{name}={value:.3f}" for name, value in self.accuracy.items())
        return f"BayesRule({values})"

    def __reduce__(self):
        """Pickle by the constructor's arguments (a mapping proxy cannot be pickled)."""
        return _restore, (
            self.priors,
            self._bases,
            self._noise,
            self._shared,
            dict(self.accuracy),
        )

    def accuracy_of(self, names: Iterable[str]) -> float:
        """Bayes-optimal accuracy of a coalition of modalities.

        Parameters
        ----------
        names : iterable of str
            Modalities that the rule may see. None at all gives the largest class probability.

        Returns
        -------
        accuracy : float

        Examples
        --------
        >>> from sk_mmbalance.datasets import make_imbalanced_modalities
        >>> _, _, bayes = make_imbalanced_modalities(modalities=3, random_state=0)
        >>> round(bayes.accuracy_of(["modality_0", "modality_2"]), 4)
        0.9012
        """
        wanted = {names} if isinstance(names, str) else set(names)
        unknown = sorted(wanted - set(self.modality_names))
        if unknown:
            raise ValueError(
                f"`names` holds {unknown}, which are no modalities of these data; "
                f"expected some of {list(self.modality_names)}."
            )
        return simplex_accuracy(self._weigh(wanted)[1], self.priors)

    def predict_proba(self, X: "Modalities | Mapping[str, np.ndarray]") -> np.ndarray:
        """Compute the true class probabilities given the modalities present in each row.

        Parameters
        ----------
        X : Modalities or dict of str to array of shape (n_samples, n_features_m)
            Data with the modalities of the data set; a modality may be missing in a row (NaN),
            or altogether.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
        """
        data = X if isinstance(X, Modalities) else Modalities(X)
        names = [m for m in self._informative if m in data.names]
        arrays = {m: np.asarray(data[m], dtype=float) for m in names}
        present = np.column_stack(
            [np.ones(len(data), dtype=bool), *(~np.isnan(arrays[m]).all(axis=1) for m in names)]
        )
        means = simplex_means(len(self.priors))
        logits = np.tile(np.log(self.priors), (len(data), 1))
        patterns, which = np.unique(present, axis=0, return_inverse=True)
        for i, pattern in enumerate(patterns):
            rows = which.ravel() == i
            seen = [m for m, here in zip(names, pattern[1:], strict=True) if here]
            # all corners are equally far from the origin, so the quadratic terms cancel
            for m, weight in self._weigh(seen)[0].items():
                logits[rows] += weight * (arrays[m][rows] @ self._bases[m]) @ means.T
        return softmax(logits, axis=1)

    def predict(self, X: "Modalities | Mapping[str, np.ndarray]") -> np.ndarray:
        """Predict the most probable class given the modalities present in each row.

        Parameters
        ----------
        X : Modalities or dict of str to array of shape (n_samples, n_features_m)
            As in :meth:`predict_proba`.

        Returns
        -------
        y : ndarray of int of shape (n_samples,)
        """
        return self.predict_proba(X).argmax(axis=1)

    def _weigh(self, names: Iterable[str]) -> tuple[dict[str, float], float]:
        """Weights of the best linear estimate of the class mean, and its precision.

        The covariance of the modalities' noise is S = b b' + diag(own), with b the amplitudes
        of the common noise; the weights are S^-1 1 and the precision 1' S^-1 1.
        """
        wanted = set(names)
        seen = [m for m in self._informative if m in wanted]
        own = {m: self._noise[m] ** 2 - self._shared[m] for m in seen}
        # modalities without noise of their own are copies of one another: count one of them
        copies = [m for m in seen if own[m] == 0.0]
        seen = [m for m in seen if m not in copies[1:]]
        if not seen:
            return {}, 0.0
        scale = np.array([self._noise[m] for m in seen])
        b = np.sqrt([self._shared[m] for m in seen]) / scale
        correlation = np.outer(b, b) + np.diag([own[m] for m in seen] / scale**2)
        weights = np.linalg.solve(correlation, 1.0 / scale) / scale
        return dict(zip(seen, weights.tolist(), strict=True)), float(weights.sum())

    def _observed(self, present: np.ndarray) -> float:
        """Mean over the rows of the accuracy with the modalities of each."""
        patterns, counts = np.unique(present, axis=0, return_counts=True)
        accuracies = [
            self.accuracy_of(np.asarray(self.modality_names)[pattern].tolist())
            for pattern in patterns
        ]
        return float(np.average(accuracies, weights=counts))


def _restore(priors, bases, noise, shared, accuracy) -> BayesRule:
    """Unpickle a rule with the accuracies that it had."""
    rule = BayesRule(priors, bases, noise, shared)
    rule.accuracy = MappingProxyType(accuracy)
    return rule
