"""How far a modality is ahead or behind, from accuracies: at a client, and in the federation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

#: An accuracy of nought counts as this: ratios stay finite.
_LEAST = 1e-6


def accuracy_ratios(
    accuracies: Mapping[str, Mapping[str, float]], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """How far each modality is ahead, for every client.

    With two modalities it is the published ratio: ``rho = A_a / A_b`` under a, and ``1 / rho``
    under b. With more, ``A_m`` over the mean of the client's accuracies. A client with a single
    modality has 1.

    Parameters
    ----------
    accuracies : dict of client to dict of str to float
        A_m of the modalities that each client has.
    names : sequence of str
        All modalities.
    """
    found = {}
    for client, own in accuracies.items():
        if len(own) < 2:
            found[client] = dict.fromkeys(own, 1.0)
        elif len(names) == 2:
            a, b = names
            rho = max(own[a], _LEAST) / max(own[b], _LEAST)
            found[client] = {a: rho, b: 1 / rho}
        else:
            mean = max(float(np.mean(list(own.values()))), _LEAST)
            found[client] = {name: max(value, _LEAST) / mean for name, value in own.items()}
    return found


def weak_modality(
    ratios: Mapping[str, Mapping[str, float]], weights: Mapping[str, float], names: Sequence[str]
) -> tuple[str, float | dict[str, float]]:
    """The modality that is behind in the federation, and the ratio(s) that say so.

    With two modalities it is the weighted mean of the clients' ratios of the first to the second,
    as published; with more, the mean of each over the clients that have it.

    Parameters
    ----------
    ratios : dict of client to dict of str to float
        From `accuracy_ratios`.
    weights : mapping of client to float
        Weight n_k of every client.
    names : sequence of str
        All modalities.
    """
    if len(names) == 2:
        a, b = names
        mean = _mean([own.get(a, 1.0) for own in ratios.values()], [weights[c] for c in ratios])
        return (b if mean > 1 else a), mean
    means = {}
    for name in names:
        having = [client for client, own in ratios.items() if name in own]
        values = [ratios[client][name] for client in having]
        means[name] = _mean(values, [weights[client] for client in having]) if having else np.inf
    return min(names, key=lambda name: means[name]), means


def _mean(values: list[float], weights: list[float]) -> float:
    share = np.array(weights)
    return float((share * np.array(values)).sum() / share.sum())


def is_lopsided(own: Mapping[str, float], weak: str, n_modalities: int, tau: float) -> bool:
    """Whether another modality of a client is more than tau times as good as the weak one."""
    if weak not in own or len(own) < 2:
        return False
    lead = max(value for name, value in own.items() if name != weak)
    # with two modalities the lead is a ratio of accuracies already
    return lead > tau if n_modalities == 2 else lead / own[weak] > tau
