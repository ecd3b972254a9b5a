"""Simulated federations."""

import numpy as np
import pytest

from sk_mmbalance import Modalities
from sk_mmbalance.federated import (
    dirichlet_clients,
    group_clients,
    lacking_modalities,
    without_modalities,
)

Y = np.arange(600) % 6


def skew(clients):
    """Mean over clients of the largest class's share."""
    tables = [np.bincount(Y[clients == k], minlength=6) for k in np.unique(clients)]
    return np.mean([t.max() / t.sum() for t in tables])


def test_every_row_has_a_client_and_every_client_its_rows():
    for seed in range(5):
        clients = dirichlet_clients(Y, 10, alpha=0.3, min_rows=5, random_state=seed)
        sizes = np.bincount(clients, minlength=10)
        assert clients.shape == Y.shape
        assert len(sizes) == 10
        assert sizes.min() >= 5


def test_smaller_alpha_is_more_skewed_and_a_large_one_even():
    found = [skew(dirichlet_clients(Y, 6, alpha=a, random_state=0)) for a in (0.1, 1.0, 1e8)]
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.19  # an even split has 1/6


def test_client_that_is_full_gets_no_more_rows():
    """No client passes 1.1 N / K by more than one class, for it is open before that class only."""
    for seed in range(20):
        clients = dirichlet_clients(Y, 5, alpha=0.1, random_state=seed)
        for k in range(5):
            held = 0
            for label in range(6):
                own = int(((clients == k) & (label == Y)).sum())
                assert own == 0 or held <= 1.1 * len(Y) / 5
                held += own


def test_same_seed_same_partition():
    first, again, other = (dirichlet_clients(Y, 5, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"n_clients": 0}, "`n_clients`"),
        ({"n_clients": 601}, "`n_clients`"),
        ({"n_clients": 5, "alpha": 0.0}, "`alpha`"),
        ({"n_clients": 5, "alpha": 0.001, "min_rows": 118}, "`min_rows=118` was not met"),
    ],
)
def test_impossible_partitions_are_refused(kwargs, said):
    with pytest.raises(ValueError, match=said):
        dirichlet_clients(Y, random_state=0, **kwargs)


def test_groups_stay_whole_and_clients_are_balanced():
    groups = np.repeat(np.arange(12), np.arange(1, 13))
    clients = group_clients(groups, 3)
    assert all(len(set(clients[groups == g])) == 1 for g in range(12))
    assert np.ptp(np.bincount(clients)) <= 2
    np.testing.assert_array_equal(group_clients(groups), groups)
    with pytest.raises(ValueError, match="between 1 and the number of groups, 12"):
        group_clients(groups, 13)


@pytest.mark.parametrize(("complete", "n_complete"), [(0.5, 5), (1.0, 10), (0.0, 0), (0.25, 2)])
def test_share_of_clients_that_have_all(complete, n_complete):
    lacking = lacking_modalities(np.arange(10), ["a", "b"], complete, random_state=0)
    gone = [names for names in lacking.values() if names]
    assert list(lacking) == list(range(10))
    assert len(gone) == 10 - n_complete
    assert abs(gone.count(["a"]) - gone.count(["b"])) <= 1


def test_nobody_lacks_everything():
    lacking = lacking_modalities(np.arange(9), "abc", 0.0, n_lacking=2, random_state=0)
    assert all(len(names) == len(set(names)) == 2 for names in lacking.values())
    with pytest.raises(ValueError, match="`n_lacking`"):
        lacking_modalities(np.arange(9), "abc", n_lacking=3)


def test_lacking_modalities_are_blanked_for_their_clients_alone():
    X = Modalities(a=np.ones((4, 2), dtype=np.float32), b=np.ones((4, 1), dtype=int))
    clients = np.array(["x", "y", "x", "z"])
    found = without_modalities(X, clients, {"x": ["b"], "y": [], "z": ["a"]})
    np.testing.assert_array_equal(np.isnan(found["a"]).all(axis=1), [False, False, False, True])
    np.testing.assert_array_equal(np.isnan(found["b"]).all(axis=1), [True, False, True, False])
    assert found["a"].dtype == np.float32
    assert not np.isnan(X["a"]).any()
    with pytest.raises(ValueError, match="`lacking` names \\['c'\\]"):
        without_modalities(X, clients, {"x": ["c"]})
