"""What the user guide says of the pool's cost is what was measured."""

import pytest
from pool_cost import COLUMNS, LARGEST, POOL, WEIGHTED, read, with_largest


@pytest.fixture(scope="module")
def cost():
    """Figures by question, rows, method and metric: mean over shapes of that many rows."""
    table = read("pool_cost", columns=COLUMNS)
    return table.groupby(["question", "n_samples", "method", "metric"])["value"].mean()


@pytest.mark.parametrize(("n_samples", "most"), [(20_000, 60), (200_000, 300)])
def test_fit_ends_within_its_goal(cost, n_samples, most):
    if n_samples not in cost["rows"].index.get_level_values("n_samples"):
        pytest.skip("not measured yet")
    assert cost["rows", n_samples, POOL, "cpu_seconds"] < most


def test_weighted_fit_takes_at_most_twice_as_long(cost):
    weighted = cost["weights"].unstack("method").xs("cpu_seconds", level="metric").dropna()
    assert len(weighted)
    assert (weighted[WEIGHTED] < 2 * weighted[POOL]).all()


def test_largest_expert_is_the_largest():
    table = read("pool_cost", columns=COLUMNS)
    anew = with_largest(table)
    assert len(anew) == len(table)
    key = ["n_samples", "method", "metric"]
    one, two = (t[t["method"] == LARGEST].groupby(key)["value"].sum() for t in (table, anew))
    assert one.equals(two)


def test_peak_of_memory_is_twice_that_of_the_largest_expert(cost):
    memory = cost["memory", 20_000].xs("megabytes", level="metric")
    assert 1.8 < memory[POOL] / memory[LARGEST] < 2.1
    assert memory[LARGEST] == memory["expert rough kernel"]


def test_weights_take_a_twentieth_more(cost):
    seconds = cost["weights", 20_000].xs("cpu_seconds", level="metric")
    assert 1.03 < seconds[WEIGHTED] / seconds[POOL] < 1.07
