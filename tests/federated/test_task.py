"""What server and clients agree on, and how a client's own rows are read."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array, dok_array

from sk_mmbalance import Modalities
from sk_mmbalance.federated import Task

from .conftest import blobs

TASK = Task({"a": (5,), "b": (3,)}, (0, 1, 2), "float64")


def assert_same_rows(first, second):
    """Whether two clients would train on the same, to the bit."""
    assert first.inputs.keys() == second.inputs.keys()
    assert all(torch.equal(first.inputs[name], second.inputs[name]) for name in first.inputs)
    assert torch.equal(first.codes, second.codes)
    for one, other in ((first.weight, second.weight), (first.present, second.present)):
        assert (one is None) == (other is None)
    assert first.weight is None or torch.equal(first.weight, second.weight)


@pytest.mark.parametrize("sparse", [csr_array, dok_array])
def test_sparse_modalities_are_read_as_dense_ones(sparse):
    X, y = blobs(n=12)
    values = {"a": np.where(X["a"] > 0, X["a"], 0.0), "b": X["b"]}
    assert_same_rows(TASK.read({**values, "a": sparse(values["a"])}, y), TASK.read(values, y))


def test_flat_table_is_read_by_its_column_blocks():
    X, y = blobs(n=12)
    flat = np.hstack([X["b"], X["a"]])
    blocks = {"a": slice(3, 8), "b": slice(0, 3)}
    assert_same_rows(TASK.read(flat, y, modalities=blocks), TASK.read(X, y))


def test_client_may_leave_a_modality_out():
    X, y = blobs(n=12)
    rows = TASK.read({"b": X["b"]}, y)
    assert not rows.present["a"].any()
    assert rows.present["b"].all()


def test_rows_of_no_weight_are_as_good_as_absent():
    X, y = blobs(n=12)
    weight = np.arange(12) % 3 / 2
    kept = weight > 0
    assert_same_rows(TASK.read(X, y, weight), TASK.read(X[kept], y[kept], weight[kept]))


def test_class_weights_are_multiplied_into_the_weights_of_rows():
    X, y = blobs(n=12)
    weighted = TASK.read(X, y, class_weight={0: 0.5, 1: 2.0})
    assert_same_rows(weighted, TASK.read(X, y, np.choose(y, [0.5, 2.0, 1.0])))


@pytest.mark.parametrize(
    ("y", "weight", "said"),
    [
        ([0, 7], None, r"labels \[7\] that are not among the classes"),
        ([0], None, "`y` has 1 labels for 2 samples"),
        ([[0, 1], [1, 0]], None, "`y` must be one column of class labels"),
        ([0, 1], [1.0], "`sample_weight` must have one weight a row"),
        ([0, 1], [1.0, np.nan], "sample_weight"),
        ([0, 1], [1.0, -1.0], "Negative values in data passed to `sample_weight`"),
        ([0, 1], [0.0, 0.0], "`sample_weight` is zero for every sample"),
    ],
)
def test_bad_labels_and_weights_are_refused(y, weight, said):
    X = Modalities(a=np.ones((2, 5)), b=np.ones((2, 3)))
    with pytest.raises(ValueError, match=said):
        TASK.read(X, y, weight)


def test_rows_of_other_shapes_than_agreed_are_refused():
    with pytest.raises(ValueError, match="modality 'a'"):
        TASK.read({"a": np.ones((2, 4)), "b": np.ones((2, 3))}, [0, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (({}, (0, 1)), "`shapes` must name at least one modality"),
        (({"a": (5,)}, (0, 1), "float16"), "`dtype` must be 'float32' or 'float64'; got 'float16'"),
        (({"a": (5,)}, (1, 0)), r"`classes` must be two or more labels, sorted; got \[1, 0\]"),
        (({"a": (5,)}, (0,)), "`classes` must be two or more labels"),
        (({"a": (5, 2)}, (0, 1), "float32", ("b",)), r"some of \['a'\]; got \('b',\)"),
        (({"a": (5,)}, (0, 1), "float32", ("a",)), r"some of \[\]; got \('a',\)"),
        (({"a": (5, 2)}, (0, 1), "float32", "a"), "`sequences` must be a tuple of modalities"),
    ],
)
def test_a_problem_that_is_none_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Task(*given)


def test_sequences_of_a_task_may_have_any_length():
    task = Task.from_json(Task({"walk": (4, 2)}, (0, 1), sequences=("walk",)).to_json())
    assert task.sequences == ("walk",)
    rows = task.read({"walk": [np.ones((9, 2)), np.ones((1, 2))]}, [0, 1])
    assert rows.inputs["walk"].isnan().sum() == 16
    assert Task.from_json('{"shapes": {"a": [2]}, "classes": [0, 1], "dtype": "float32"}').spec
