"""A column of labels, groups or clients: known values of one kind, or one clear error."""

import numpy as np
import pytest

from sk_mmbalance import FedAvgClassifier
from sk_mmbalance.base import CLASSES, NUMBERS, read_column, read_partly_known, read_target

BIG = 2**53


def pandas_column(values, dtype):
    return pytest.importorskip("pandas").Series(values, dtype=dtype)


UNKNOWN = {
    "None": lambda: ["a", None, "b"],
    "NaN beside text": lambda: ["a", float("nan"), "b"],
    "NaN beside text, as object": lambda: np.array(["a", np.nan, "b"], dtype=object),
    "NaN": lambda: np.array([1.0, np.nan, 2.0]),
    "None beside numbers": lambda: [1, None, 2],
    "NaT": lambda: np.array(["2026-01-01", "NaT", "2026-01-02"], dtype="datetime64[D]"),
    "masked": lambda: np.ma.array([1, 2, 3], mask=[0, 1, 0]),
    "nullable integers": lambda: pandas_column([1, None, 2], "Int64"),
    "nullable integers above 2**53": lambda: pandas_column([BIG + 1, None, BIG + 2], "Int64"),
    "nullable booleans": lambda: pandas_column([True, None, False], "boolean"),
    "nullable text": lambda: pandas_column(["a", None, "b"], "string"),
    "category": lambda: pandas_column(["a", None, "b"], "category"),
    "polars": lambda: pytest.importorskip("polars").Series([1, None, 2]),
    "pyarrow": lambda: pytest.importorskip("pyarrow").array([1, None, 2]),
}


@pytest.mark.parametrize("name", ["groups", "clients", "y"])
@pytest.mark.parametrize("make", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_unknown_values_are_refused_with_name_number_of_rows_and_remedy(make, name):
    with pytest.raises(
        ValueError, match=rf"^`{name}` has no name \(.*\) in 1 of 3 rows\. Drop them"
    ):
        read_column(make(), name, "name", 3, "Drop them.")


@pytest.mark.parametrize("as_", [list, tuple, lambda values: np.array(values, dtype=object)])
@pytest.mark.parametrize("values", [[1, "a", 2], ["1", 1.0, "1"], [b"a", "a", "b"], [{1}, 1, 2]])
def test_values_of_two_kinds_are_refused(as_, values):
    if as_ is not list and as_ is not tuple:
        kept = np.empty(3, dtype=object)
        kept[:] = values
    else:
        kept = as_(values)
    with pytest.raises(ValueError, match=r"`groups` must hold values of one kind.* beside "):
        read_column(kept, "groups", "group", 3)


def test_integers_above_2_to_the_53_stay_apart_or_are_refused():
    labels = [BIG + 1, BIG + 2, BIG + 1, BIG + 2]
    exact = pandas_column(labels, "Int64")
    target, coded = read_target(exact, 4, (CLASSES,), "Someone")
    assert target.classes.tolist() == [BIG + 1, BIG + 2]
    assert coded.tolist() == [0, 1, 0, 1]
    with pytest.raises(ValueError, match=r"`y` has numbers of 2\*\*53 and more as float64"):
        read_target(np.array(labels, dtype=float), 4, (CLASSES,), "Someone")
    with pytest.raises(ValueError, match=r"`y` has numbers of 2\*\*53 and more as float64"):
        read_partly_known(pandas_column([*labels, None], "Int64"), 5, np.nan, "Someone")


def test_text_is_no_number_though_it_reads_alike():
    target, _ = read_target([0, 1, 1], 3, (CLASSES,), "Someone")
    with pytest.raises(ValueError, match=r"`y` has labels \['1'\] that are not among the classes"):
        target.encode(np.array(["1", "1"], dtype=object), 2)


def test_marker_of_another_kind_than_the_labels_marks_rows_of_a_list_too():
    for y in (["a", "b", -1, "b"], np.array(["a", "b", -1, "b"], dtype=object)):
        target, coded = read_partly_known(y, 4, -1, "Someone")
        assert target.classes.tolist() == ["a", "b"]
        assert coded.tolist() == [0, 1, -1, 1]


def test_unknown_labels_mark_rows_only_where_the_marker_says_so():
    y = pandas_column(["a", None, "b", "b"], "string")
    for marker in (np.nan, pytest.importorskip("pandas").NA):
        assert read_partly_known(y, 4, marker, "Someone")[1].tolist() == [0, -1, 1, 1]
    with pytest.raises(ValueError, match=r"`y` has no label .* in 1 of 4 rows.* mark them"):
        read_partly_known(y, 4, -1, "Someone")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, None, 2.0], r"`y` has no number \(nan\) in 1 of 3 rows"),
        (np.ma.array([1.0, 2.0, 3.0], mask=[0, 0, 1]), r"`y` has no number .* in 1 of 3 rows"),
        ([1.0, "a", 2.0], "`y` must hold numbers"),
    ],
)
def test_numbers_that_are_unknown_or_text_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        read_target(y, 3, (NUMBERS,), "Someone")


def test_classes_of_partial_fit_are_read_alike():
    X, y = {"a": np.ones((4, 1)), "b": np.ones((4, 1))}, [0, 1, 0, 1]
    for classes in ([0, "b"], [0, None]):
        with pytest.raises(ValueError, match="`classes` "):
            FedAvgClassifier().partial_fit(X, y, classes=classes)
