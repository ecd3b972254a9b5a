"""Rows that are held to shapes and a target read before."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from sk_mmbalance.base import ClassTarget, read_held_rows
from sk_mmbalance.modalities import InputSpec

KNOWN = {"spec": InputSpec({"a": (2,), "b": (1,)}, 3), "target": ClassTarget(np.array([3, 5, 7]))}
X = {"a": np.arange(6.0).reshape(3, 2), "b": np.ones((3, 1))}


def test_classes_are_those_known_and_need_not_all_occur():
    rows = read_held_rows(X, [7, 3, 7], **KNOWN)
    assert rows.y.tolist() == [2, 0, 2]
    assert rows.labels.tolist() == [7, 3, 7]
    with pytest.raises(ValueError, match=r"labels \[4\] that are not among the classes"):
        read_held_rows(X, [7, 3, 4], **KNOWN)


def test_shapes_are_those_known():
    with pytest.raises(ValueError, match="modality 'b'"):
        read_held_rows({"a": X["a"]}, [7, 3, 7], **KNOWN)
    rows = read_held_rows({"a": X["a"]}, [7, 3, 7], **KNOWN, missing="mask")
    assert not rows.checked.present_in("b").any()


def test_sparse_modalities_become_dense_and_rows_without_weight_leave():
    sparse = {**X, "a": csr_array(X["a"])}
    rows = read_held_rows(sparse, [7, 3, 7], [1.0, 0.0, 2.0], **KNOWN, class_weight={7: 3.0})
    np.testing.assert_array_equal(rows.checked.arrays["a"], X["a"][[0, 2]])
    assert rows.weight.tolist() == [3.0, 6.0]
