"""Federated averaging, the baseline, and its proximal form."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from .._sklearn import Interval
from ._base import BaseFederatedClassifier
from ._method import Method


@dataclass(frozen=True, kw_only=True)
class FedAvg(Method):
    """Cross-entropy at the clients, weighted means at the server.

    The settings are the parameters of `FedAvgClassifier` that concern the algorithm.
    """


@dataclass(kw_only=True, eq=False, repr=False)
class FedAvgClassifier(BaseFederatedClassifier):
    """One network for many clients by federated averaging: the baseline.

    In each round some clients, drawn uniformly, train the network on their own rows; the server
    takes the mean of what comes back, weighted with the clients' rows. The encoder of a modality
    is a mean over the clients that have it. A modality that a row (or a whole client) lacks
    counts as zeros at the entrance of the fusion.

    Parameters
    ----------
    prox_mu : float, default=0.0
        Strength of the pull ``mu (w - w_global)`` towards the global weights in local training;
        above 0 this is FedProx.

    See Also
    --------
    FedCMIClassifier : The dominant modality teaches the weak one.
    CMSFedClassifier : Chooses clients, and which of them train their weak modality alone.

    References
    ----------
    .. [1] McMahan, Moore, Ramage, Hampson, Aguera y Arcas, "Communication-Efficient Learning of
       Deep Networks from Decentralized Data", AISTATS 2017.
    .. [2] Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith, "Federated Optimization in Heterogeneous
       Networks", MLSys 2020, for `prox_mu`.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> from sk_mmbalance.federated import FedAvgClassifier
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clients = np.arange(len(y)) % 5
    >>> clf = FedAvgClassifier(n_rounds=5, clients_per_round=3, lr=0.01, random_state=0)
    >>> clf = clf.fit(X[:1000], y[:1000], clients=clients[:1000])
    >>> bool(clf.score(X[1000:], y[1000:]) > 0.7)
    True
    """

    prox_mu: float = 0.0

    _method_class: ClassVar[type[Method]] = FedAvg

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseFederatedClassifier._parameter_constraints,
        "prox_mu": [Interval(Real, 0, None, closed="left")],
    }
