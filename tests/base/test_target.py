"""What `y` is: classes, several labels, numbers."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import expit, softmax

from sk_mmbalance.base import (
    CLASSES,
    LABELS,
    NUMBERS,
    ClassTarget,
    LabelTarget,
    NumberTarget,
    read_partly_known,
    read_partly_known_numbers,
    read_target,
)

Y = {
    "classes": np.array(["b", "a", "c", "a"]),
    "labels": np.array([[1, 0, 1], [0, 0, 1], [0, 0, 0], [1, 1, 1]]),
    "one number": np.array([1.0, 2.5, -3.0, 4.0]),
    "two numbers": np.array([[1.0, 0.0], [2.5, 1.0], [-3.0, 1.0], [4.0, 7.0]]),
}


def read(name):
    kinds = (NUMBERS,) if "number" in name else (CLASSES, LABELS)
    return read_target(Y[name], 4, kinds, "Someone")


@pytest.mark.parametrize("name", Y)
def test_coded_values_lead_back_to_what_was_given(name):
    target, coded = read(name)
    np.testing.assert_array_equal(target.labels(coded), Y[name])
    assert target.labels(coded).dtype == Y[name].dtype
    np.testing.assert_array_equal(target.encode(Y[name], 4), coded)
    assert target.is_known(coded).all()


@pytest.mark.parametrize(
    ("name", "kind", "n_outputs"),
    [
        ("classes", ClassTarget, 3),
        ("labels", LabelTarget, 3),
        ("one number", NumberTarget, 1),
        ("two numbers", NumberTarget, 2),
    ],
)
def test_kind_and_number_of_outputs_are_read_off(name, kind, n_outputs):
    target, _ = read(name)
    assert isinstance(target, kind)
    assert target.n_outputs == n_outputs


def test_probabilities_and_predictions_from_outputs():
    outputs = np.array([[0.1, 2.0, -1.0], [3.0, 0.5, 0.2]])
    classes = ClassTarget(np.array(["a", "b", "c"]))
    np.testing.assert_allclose(classes.proba(outputs), softmax(outputs, axis=1))
    assert classes.decode(outputs).tolist() == ["b", "a"]
    labels = LabelTarget(3, np.dtype(np.int32))
    np.testing.assert_allclose(labels.proba(outputs), expit(outputs))
    assert labels.decode(outputs).tolist() == [[1, 1, 0], [1, 1, 1]]
    for target in (classes, labels):
        np.testing.assert_array_equal(target.choose(target.proba(outputs)), target.decode(outputs))
    with pytest.raises(TypeError, match="numbers has no probabilities"):
        NumberTarget(1, True).proba(outputs)


def test_numbers_are_standardised_by_weighted_mean_and_spread_and_given_back():
    target, coded = read("two numbers")
    weight = np.array([1.0, 2.0, 1.0, 3.0])
    standard, z = target.standardised(coded, weight)
    repeated = np.repeat(np.arange(4), weight.astype(int))
    np.testing.assert_allclose(z[repeated].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z[repeated].std(axis=0), 1)
    np.testing.assert_allclose(standard.decode(z), Y["two numbers"])
    np.testing.assert_allclose(standard.encode(Y["two numbers"], 4), z)
    again, z_again = standard.standardised(z, weight)  # standardised numbers are standardised anew
    np.testing.assert_allclose(z_again, z)
    np.testing.assert_allclose(again.centre, standard.centre)
    np.testing.assert_allclose(again.spread, standard.spread)


def test_numbers_of_a_small_spread_are_standardised_anew():
    y = np.array([0.01, 0.02, 0.04])
    target, coded = read_target(y, 3, (NUMBERS,), "Someone")
    standard, z = target.standardised(coded, None)
    again, z_again = standard.standardised(z[:2], None)
    np.testing.assert_allclose(z_again[:, 0], [-1, 1])
    np.testing.assert_allclose(again.decode(z_again), y[:2])


@pytest.mark.parametrize("n", [3, 5])  # the mean of three is not 0.1 but for rounding
def test_a_constant_column_is_only_centred_and_answered_by_its_constant(n):
    y = np.full(n, 0.1)
    target, coded = read_target(y, n, (NUMBERS,), "Someone")
    standard, z = target.standardised(coded, None)
    np.testing.assert_allclose(z, 0, atol=1e-15)
    np.testing.assert_allclose(standard.decode(z), y)
    np.testing.assert_allclose(standard.decode(z + 1), y)
    np.testing.assert_allclose(standard.standardised(z, None)[1], 0, atol=1e-15)


def test_predictions_of_numbers_are_double_precision_and_as_flat_as_the_target():
    flat, _ = read("one number")
    assert flat.decode(np.ones((2, 1), np.float32)).shape == (2,)
    assert flat.decode(np.ones((2, 1), np.float32)).dtype == np.float64
    wide, _ = read("two numbers")
    assert wide.decode(np.ones((2, 2))).shape == (2, 2)


def test_strata_are_the_classes_and_sets_of_labels_with_rare_ones_together():
    target, coded = read("classes")
    np.testing.assert_array_equal(target.strata(coded), coded)
    y = np.array([[1, 0], [1, 0], [0, 1], [0, 0], [1, 1], [1, 1]])
    target, coded = read_target(y, 6, (CLASSES, LABELS), "Someone")
    found = target.strata(coded)
    assert found[0] == found[1] != found[4] == found[5]
    assert found[2] == found[3] not in (found[0], found[4])
    assert read("one number")[0].strata(read("one number")[1]) is None


def test_sparse_indicators_are_read():
    target, coded = read_target(csr_array(Y["labels"]), 4, (CLASSES, LABELS), "Someone")
    np.testing.assert_array_equal(coded, Y["labels"])
    assert isinstance(target, LabelTarget)


@pytest.mark.parametrize(
    ("y", "kinds", "message"),
    [
        (Y["labels"], (CLASSES,), r"one column of class labels; got shape \(4, 3\).*MultiOutput"),
        (
            Y["labels"] + [0, 1, 2],
            (CLASSES, LABELS),
            "matrix of 0 and 1; got shape .*MultiOutput",
        ),
        (np.ones(4), (CLASSES,), "at least two classes"),
        (np.ones(4), (CLASSES, LABELS), "at least two classes"),
        ([0.0, 1.0, np.nan, 2.0], (NUMBERS,), r"`y` has no number \(nan\) in 1 of 4"),
        (np.ones((4, 2, 2)), (NUMBERS,), "dim"),
        (3.0, (NUMBERS,), "`y` must hold one finite number a row"),
        (csr_array(np.ones((4, 1))), (NUMBERS,), "`y` must hold one finite number a row"),
        (np.ones(3), (NUMBERS,), "3 values for 4 samples"),
        (None, (NUMBERS,), "requires y to be passed"),
    ],
)
def test_what_cannot_be_a_target_is_refused(y, kinds, message):
    with pytest.raises(ValueError, match=message):
        read_target(y, 4, kinds, "Someone")


def test_later_targets_are_held_to_the_first():
    labels, _ = read("labels")
    with pytest.raises(ValueError, match="indicator matrix of 3 columns"):
        labels.encode(Y["labels"][:, :2], 4)
    with pytest.raises(ValueError, match="indicator matrix of 3 columns"):
        labels.encode(np.hstack([Y["labels"], Y["labels"]]), 4)
    numbers, _ = read("two numbers")
    with pytest.raises(ValueError, match="`y` must have 2 columns as in fit; got 1"):
        numbers.encode(Y["one number"], 4)
    classes, _ = read("classes")
    with pytest.raises(ValueError, match=r"labels \['z'\] that are not among the classes"):
        classes.encode(np.array(["a", "z", "a", "b"]), 4)


def test_classes_beside_a_marker_have_a_type_of_their_own():
    y = np.array([1, None, 2, None], dtype=object)
    target, codes = read_partly_known(y, 4, np.nan, "Someone")
    assert target.classes.dtype.kind == "i"
    assert codes.tolist() == [0, -1, 1, -1]
    words, _ = read_partly_known(np.array(["b", -1, "a"], dtype=object), 3, -1, "Someone")
    assert words.classes.dtype.kind == "U"


@pytest.mark.parametrize("marker", [np.nan, -1.0])
def test_rows_without_numbers_are_not_known(marker):
    y = np.array([[1.0, 2.0], [marker, marker], [3.0, 4.0]])
    target, coded = read_partly_known_numbers(y, 3, marker, "Someone")
    assert target.is_known(coded).tolist() == [True, False, True]
    y[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in rows that are not marked"):
        read_partly_known_numbers(y, 3, marker, "Someone")


@pytest.mark.parametrize("marker", [np.array([0.1, 0.2]), ["a"], {"a": 1}, (), len, {0}])
def test_what_is_no_value_marks_no_row(marker):
    with pytest.raises(TypeError, match="`unlabeled_label` must be the one value"):
        read_partly_known(["a", "b", "a"], 3, marker, "Someone")


@pytest.mark.parametrize("marker", [np.array(3), "none", [1.0], 1j, object()])
def test_what_is_no_number_marks_no_number(marker):
    with pytest.raises(TypeError, match="`unlabeled_label` must be the number"):
        read_partly_known_numbers([1.0, 2.0, 3.0], 3, marker, "Someone")


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_partly_known_numbers_are_held_to_what_whole_ones_are():
    column = np.array([[1.0], [np.nan], [3.0]])
    target, coded = read_partly_known_numbers(column, 3, np.nan, "Someone")
    assert target.decode(coded).shape == (3,)
    for wrong, message in [
        (np.ones((3, 1, 1)), "dim"),
        (np.array([1e200, np.nan, 1.0]), "values up to 1e\\+200"),
        ([], "`y` has 0 values for 3 samples|minimum of 1"),
        (np.ones((3, 0)), "at least one column|no sample|minimum of 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            read_partly_known_numbers(wrong, 3, np.nan, "Someone")
        if not np.isnan(wrong).any():
            with pytest.raises(ValueError, match=message):
                read_target(wrong, 3, ("numbers",), "Someone")
