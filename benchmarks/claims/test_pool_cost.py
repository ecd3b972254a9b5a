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


def test_seconds_are_those_that_are_told(cost):
    assert cost["rows", 20_000, POOL, "cpu_seconds"] == pytest.approx(37, abs=0.5)
    assert cost["rows", 200_000, POOL, "cpu_seconds"] == pytest.approx(250, abs=0.5)


@pytest.mark.parametrize(("n_samples", "times"), [(20_000, 8), (200_000, 1.6)])
def test_peak_of_memory_lies_so_many_inputs_above_the_largest_expert(cost, n_samples, times):
    memory = cost["memory", n_samples]
    assert memory[POOL, "excess over X"] == pytest.approx(times, abs=0.5)
    megabytes = memory.xs("megabytes", level="metric")
    assert megabytes[LARGEST] == megabytes["expert rough kernel"]


def test_weights_take_a_tenth_more(cost):
    seconds = cost["weights", 20_000].xs("cpu_seconds", level="metric")
    assert 1.05 < seconds[WEIGHTED] / seconds[POOL] < 1.15


@pytest.mark.parametrize(
    ("question", "column", "times"),
    [("classes", "n_classes", 2.7), ("features", "n_features", 2.9)],
)
def test_growth_with_classes_and_features(question, column, times):
    table = read("pool_cost", columns=COLUMNS)
    own = table[(table["question"] == question) & (table["metric"] == "cpu_seconds")]
    seconds = own.set_index(column)["value"].sort_index()
    assert seconds.iloc[-1] / seconds.iloc[0] == pytest.approx(times, abs=0.05)
    assert seconds.index[-1] / seconds.index[0] == (10 if question == "classes" else 25)
