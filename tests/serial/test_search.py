"""Thresholds: what the search finds, against trying everything."""

from itertools import product

import numpy as np
import pytest

from sk_mmbalance.serial._chain import ChainScores, Thresholds
from sk_mmbalance.serial._criterion import make_criterion
from sk_mmbalance.serial._search import find_thresholds, make_grid


def make_chain(n_stages, n_classes, missing=0.0, final="last", n=60, seed=0):
    """Random scores that get better from stage to stage, random weights, some stages missing."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_classes, n)
    scores = rng.normal(size=(n_stages, n, n_classes))
    for k in range(n_stages):
        scores[k, np.arange(n), codes] += 0.7 * (k + 1)
    scores = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    available = rng.random((n_stages, n)) >= missing
    available[0, ~available.any(axis=0)] = True
    weights = rng.integers(0, 3, n).astype(float)
    costs = np.arange(1.0, n_stages + 1) ** 2
    return ChainScores(scores, available, codes, weights, costs, final)


def count(chain, thresholds):
    """Error rate of each class, error rate, mean cost: row by row, by the definition."""
    n_classes = chain.scores.shape[2]
    wrong, cost = np.zeros(n_classes), 0.0
    for i, (code, weight) in enumerate(zip(chain.codes, chain.weights, strict=True)):
        able = np.flatnonzero(chain.available[:, i])
        decided = None
        for k in able:
            cost += weight * chain.costs[k]
            score = chain.scores[k, i]
            last = k == chain.n_stages - 1
            if n_classes == 2 and not last:
                lo, hi = thresholds.stages[k]
                if score[1] > hi or score[1] < lo:
                    decided = int(score[1] > hi)
                    break
            elif not last and score.max() >= thresholds.stages[k]:
                decided = int(score.argmax())
                break
        if decided is None:
            final = score
            if chain.final == "mean":
                final = chain.scores[able, i].mean(axis=0)
            decided = int(final[1] > thresholds.cut) if n_classes == 2 else int(final.argmax())
        wrong[code] += weight * (decided != code)
    totals = np.array([chain.weights[chain.codes == c].sum() for c in range(n_classes)])
    n = chain.weights.sum()
    return wrong / totals, wrong.sum() / n, cost / n


def value(mode, limits, rates, error, cost):
    """(violation, value, cost) as the criterion ranks, written anew."""
    over = max(cost - limits.get("budget", np.inf), 0.0)
    over += max(rates[0] - limits.get("max_far", np.inf), 0.0)
    target = {"cost": error, "budget": error, "far": rates[1]}[mode]
    if mode != "budget":
        target += limits.get("price", 0.0) * cost
    return tuple(np.round([over, target, cost], 10).tolist())


SIZES = [(2, 2, 5), (2, 3, 8), (3, 2, 2), (3, 3, 4), (4, 3, 3)]
CASES = [
    (*size, mode)
    for size in SIZES
    for mode in ("cost", "budget", "far")
    if mode != "far" or size[1] == 2
]


@pytest.mark.parametrize("final", ["last", "mean"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize(("n_stages", "n_classes", "n_grid", "mode"), CASES)
def test_optimum_on_a_small_grid_equals_brute_force(
    n_stages, n_classes, n_grid, mode, missing, final
):
    chain = make_chain(n_stages, n_classes, missing, final, n=30)
    limits = {
        "cost": {"price": 0.02},
        "budget": {"budget": 0.6 * chain.costs.sum()},
        "far": {"price": 0.01, "max_far": 0.2},
    }[mode]
    criterion = make_criterion(mode, chain.codes, chain.weights, n_classes, **limits)
    free_cut = mode == "far"
    grid = make_grid(chain, n_grid, free_cut)
    found = find_thresholds(chain, criterion, n_grid=n_grid, free_cut=free_cut)
    everything = (
        Thresholds(tuple(stages), float(cut))
        for cut in grid.cuts
        for stages in product(*grid.stages)
    )
    best = min(value(mode, limits, *count(chain, each)) for each in everything)
    assert found.exact
    np.testing.assert_allclose(value(mode, limits, *count(chain, found.thresholds)), best)


def test_empty_band_and_infinite_band_are_on_the_grid():
    chain = make_chain(2, 2)
    pairs = make_grid(chain, 5, free_cut=False).stages[0]
    assert any((pair == [-np.inf, np.inf]).all() for pair in pairs)
    assert any((pair == [np.nextafter(0.5, np.inf), 0.5]).all() for pair in pairs)


def test_descent_on_many_stages_is_no_worse_than_its_simple_starts():
    chain = make_chain(6, 3, n=200)
    criterion = make_criterion("cost", chain.codes, chain.weights, 3, price=0.002)
    found = find_thresholds(chain, criterion, n_grid=30, free_cut=False)
    assert not found.exact
    for end in (chain.policy.never(), chain.policy.always()):
        _, error, cost = count(chain, Thresholds((end,) * 5))
        assert found.key[1] <= error + 0.002 * cost
    _, error, cost = count(chain, found.thresholds)
    assert found.key[1] == pytest.approx(error + 0.002 * cost)


def test_rows_of_weight_zero_change_no_threshold():
    chain = make_chain(3, 3)
    kept = chain.weights > 0
    fewer = ChainScores(
        chain.scores[:, kept],
        chain.available[:, kept],
        chain.codes[kept],
        chain.weights[kept],
        chain.costs,
    )
    found = []
    for each in (chain, fewer):
        criterion = make_criterion("cost", each.codes, each.weights, 3, price=0.01)
        found.append(find_thresholds(each, criterion, n_grid=10, free_cut=False))
    assert found[0].key == found[1].key
    np.testing.assert_array_equal(found[0].thresholds.stages, found[1].thresholds.stages)


def test_ties_keep_the_cheaper_chain():
    """Stage two repeats stage one: deferring changes no decision and costs."""
    chain = make_chain(2, 3)
    same = ChainScores(
        chain.scores[[0, 0]], chain.available, chain.codes, chain.weights, chain.costs
    )
    criterion = make_criterion("cost", same.codes, same.weights, 3, price=0.0)
    found = find_thresholds(same, criterion, n_grid=20, free_cut=False)
    assert found.key[2] == same.costs[0]


def test_work_does_not_double_with_every_stage(monkeypatch):
    """Beyond eleven stages no grid is searched exhaustively, be it the thinnest."""
    scans = []
    for n_stages in (12, 24):
        chain = make_chain(n_stages, 2, n=20)
        made = make_criterion("cost", chain.codes, chain.weights, 2, price=0.001)
        best = type(made).best
        counted = []

        def count_best(self, sums, best=best, counted=counted):
            counted.append(1)
            return best(self, sums)

        monkeypatch.setattr(type(made), "best", count_best)
        find_thresholds(chain, made, n_grid=4, free_cut=False)
        monkeypatch.undo()
        scans.append(len(counted))
    assert scans[1] < 10 * scans[0]
    assert scans[1] < 2000
