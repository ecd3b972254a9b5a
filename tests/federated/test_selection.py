"""Greedy selection against brute force, and its limits."""

from itertools import combinations

import numpy as np
import pytest

from sk_mmbalance.federated import _selection as formulae


def tables(n, seed):
    rng = np.random.default_rng(seed)
    joint, weak = (rng.normal(size=(n, 3)) for _ in range(2))
    tables = (formulae.update_distances([[v] for v in vectors]) for vectors in (joint, weak))
    return tuple(tables)


def everybody(n):
    return np.ones(n, dtype=bool)


def choose(joint, weak, lopsided, m, seed=0, candidates=None, can_join=None, can_weak=None):
    n = len(joint)
    return formulae.greedy_selection(
        joint,
        weak,
        everybody(n) if can_join is None else can_join,
        everybody(n) if can_weak is None else can_weak,
        np.asarray(lopsided),
        m,
        n if candidates is None else candidates,
        np.random.default_rng(seed),
    )


def objective(table, chosen):
    return table[:, list(chosen)].min(axis=1).sum()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n", [3, 5, 6])
def test_each_step_is_the_best_by_brute_force(n, seed):
    """Every step, with its own covering vector, by writing G out for each candidate."""
    joint, weak = tables(n, seed)
    lopsided = np.random.default_rng(seed).random(n) < 0.5
    chosen = choose(joint, weak, lopsided, n)
    together, alone, left = [], [], set(range(n))
    for client, is_alone in chosen:
        best = min(sorted(left), key=lambda i: objective(joint, [*together, i]))
        best_weak = min(sorted(left), key=lambda i: objective(weak, [*alone, i]))
        assert is_alone == lopsided[best_weak]
        assert client == (best_weak if is_alone else best)
        (alone if is_alone else together).append(client)
        left.remove(client)
    assert not left


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("m", [1, 2, 3])
def test_greedy_is_as_good_as_submodularity_promises(m, seed):
    joint, weak = tables(6, seed)
    chosen = [client for client, _ in choose(joint, weak, np.zeros(6, dtype=bool), m)]
    best = min(objective(joint, s) for s in combinations(range(6), m))
    found = objective(joint, chosen)
    # against the value of one far point covering nobody, as in the facility-location bound
    far = 6 * joint.max()
    assert far - found >= (1 - 1 / np.e) * (far - best) - 1e-9
    if m == 1:
        assert found == pytest.approx(best)


def test_first_choice_is_the_most_central_client():
    joint, weak = tables(6, 3)
    chosen = choose(joint, weak, np.zeros(6, dtype=bool), 1)
    assert chosen == [(int(joint.sum(axis=0).argmin()), False)]


def test_lopsided_clients_train_alone_and_others_jointly():
    joint, weak = tables(5, 0)
    assert all(alone for _, alone in choose(joint, weak, everybody(5), 5))
    assert not any(alone for _, alone in choose(joint, weak, ~everybody(5), 5))


def test_no_client_is_chosen_twice_and_never_more_than_there_are():
    joint, weak = tables(6, 1)
    for seed in range(10):
        chosen = choose(joint, weak, np.arange(6) % 2 == 0, 9, seed=seed, candidates=2)
        assert sorted(client for client, _ in chosen) == list(range(6))


def test_client_that_is_in_no_table_is_never_chosen():
    joint, weak = tables(6, 1)
    can_join = np.array([True, True, False, False, True, False])
    can_weak = np.array([True, False, True, False, True, False])
    for seed in range(10):
        chosen = choose(joint, weak, everybody(6), 6, seed, 2, can_join=can_join, can_weak=can_weak)
        assert {c for c, alone in chosen if alone} <= {0, 2, 4}
        assert {c for c, alone in chosen if not alone} <= {0, 1, 4}
        assert {client for client, _ in chosen} == {0, 1, 2, 4}


def test_tables_of_others_do_not_matter():
    """A client outside a table is nobody that has to be covered."""
    joint, weak = tables(5, 2)
    can = np.array([True, True, True, True, False])
    moved = joint.copy()
    moved[4], moved[:, 4] = 1e6, 1e6
    assert choose(joint, weak, ~everybody(5), 2, can_join=can) == choose(
        moved, weak, ~everybody(5), 2, can_join=can
    )


def test_same_seed_same_choice_and_seeds_matter_where_candidates_are_few():
    joint, weak = tables(30, 0)
    lopsided = np.zeros(30, dtype=bool)
    found = [tuple(choose(joint, weak, lopsided, 3, seed=s, candidates=3)) for s in range(6)]
    again = [tuple(choose(joint, weak, lopsided, 3, seed=s, candidates=3)) for s in range(6)]
    assert found == again
    assert len(set(found)) > 1


def test_euclidean_distance_is_that_of_the_joined_updates():
    rng = np.random.default_rng(0)
    updates = [[rng.normal(size=4), rng.normal(size=2)] for _ in range(3)]
    joined = [np.concatenate(u) for u in updates]
    expected = [[np.linalg.norm(u - v) for v in joined] for u in joined]
    np.testing.assert_allclose(formulae.update_distances(updates), expected, atol=1e-12)


def test_cosine_distance_does_not_see_the_length_of_an_update():
    rng = np.random.default_rng(0)
    updates = [[rng.normal(size=4), rng.normal(size=2)] for _ in range(3)]
    longer = [[7 * u, 0.1 * v] for u, v in updates]
    first, second = (formulae.update_distances(u, "cosine") for u in (updates, longer))
    np.testing.assert_allclose(first, second, atol=1e-12)
    u, v = updates[0], updates[1]
    by_hand = sum(
        1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(u, v, strict=True)
    )
    assert first[0, 1] == pytest.approx(by_hand)
    assert np.isfinite(formulae.update_distances([[np.zeros(2)], [np.ones(2)]], "cosine")).all()
