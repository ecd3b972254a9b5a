"""Vectors in a column are stacked; lengths of sequences are kept, or the sequences refused."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sk_mmbalance import LateFusionClassifier, Modalities, OpinionPoolClassifier
from sk_mmbalance.modalities import check_modalities, name_modalities

LENGTHS = [3, 1, 4, 2]
WALKS = [np.full((n, 2), float(n)) for n in LENGTHS]


def boxed(items):
    box = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        box[i] = item
    return box


def padded(items, longest=5):
    array = np.full((len(items), longest, 2), np.nan)
    for row, item in zip(array, items, strict=True):
        row[: len(item)] = item
    return array


UNEQUAL = {
    "list": WALKS,
    "list of lists": [walk.tolist() for walk in WALKS],
    "object array": boxed(WALKS),
    "column of pandas": pd.DataFrame({"walk": boxed(WALKS)}),
    "column of polars": pl.DataFrame({"walk": [walk.tolist() for walk in WALKS]}),
    "column of pyarrow": pa.table({"walk": [walk.tolist() for walk in WALKS]}),
}


@pytest.mark.parametrize("value", UNEQUAL.values(), ids=UNEQUAL.keys())
def test_lengths_are_kept_for_what_can_use_them(value):
    read = check_modalities({"walk": value, "b": np.ones(4)}, accept_lengths=True)
    assert read.arrays["walk"].shape == (4, 4, 2)
    assert read.lengths["walk"].tolist() == LENGTHS
    assert set(read.lengths) == {"walk"}
    mask = read.padding_mask("walk")
    assert mask.sum(axis=1).tolist() == LENGTHS
    assert mask[2].all()
    for row, walk in enumerate(WALKS):
        np.testing.assert_array_equal(read.arrays["walk"][row, : len(walk)], walk)
    assert (read.arrays["walk"][~mask] == 0).all()
    assert read.spec.sequences == ("walk",)


def test_sequences_of_one_length_have_no_padding():
    read = check_modalities({"walk": np.ones((2, 5, 3)), "b": np.ones(2)}, accept_lengths=True)
    np.testing.assert_array_equal(read.padding_mask("walk"), np.ones((2, 5), dtype=bool))


@pytest.mark.parametrize("value", UNEQUAL.values(), ids=UNEQUAL.keys())
def test_unequal_lengths_are_refused_where_padding_would_be_taken_for_data(value):
    for model in (LateFusionClassifier(), OpinionPoolClassifier(missing="mask")):
        words = r"'walk' has sequences of unequal length \(1 to 4 steps\), and "
        with pytest.raises(ValueError, match=words + type(model).__name__):
            model.fit({"walk": value, "b": np.ones(4)}, [0, 1, 0, 1])
        assert not hasattr(model, "classes_")


def test_nan_at_the_end_of_sequences_is_padding():
    X = {"walk": padded(WALKS), "b": np.ones(4)}
    given = X["walk"].copy()
    read = check_modalities(X, accept_lengths=True)
    assert read.lengths["walk"].tolist() == LENGTHS
    np.testing.assert_array_equal(X["walk"], given)  # the user's array is left alone
    for missing in ("error", "mask"):
        with pytest.raises(ValueError, match=r"'walk'.*look like sequences padded to one length"):
            check_modalities(X, missing=missing)


def test_nan_amid_a_sequence_is_no_padding():
    broken = padded(WALKS)
    broken[0, 0, 0] = np.nan
    for accept in (True, False):
        with pytest.raises(ValueError, match=r"NaN in part of .* row\(s\); a modality is present"):
            check_modalities({"walk": broken}, accept_lengths=accept)


def test_missing_sequences_have_length_zero():
    for gone in (None, np.nan, np.zeros((0, 2))):
        value = boxed([*WALKS, gone])
        read = check_modalities(
            {"walk": value, "b": np.ones(5)}, missing="mask", accept_lengths=True
        )
        assert read.present_in("walk").tolist() == [True] * 4 + [False]
        assert read.lengths["walk"].tolist() == [*LENGTHS, 0]
        assert np.isnan(read.arrays["walk"][4]).all()


def test_later_sequences_may_be_of_any_length():
    spec = check_modalities({"walk": WALKS, "b": np.ones(4)}, accept_lengths=True).spec
    options = {"spec": spec, "accept_lengths": True}
    one = check_modalities({"walk": [np.ones((7, 2))], "b": [1.0]}, **options)
    assert one.lengths["walk"].tolist() == [7]
    assert one.arrays["walk"].shape == (1, 7, 2)
    with pytest.raises(ValueError, match=r"'walk' has shape \(7, 3\) per sample"):
        check_modalities({"walk": [np.ones((7, 3))], "b": [1.0]}, **options)
    without = check_modalities({"b": np.ones(2)}, missing="mask", **options)
    assert without.lengths["walk"].tolist() == [0, 0]
    equal = check_modalities({"walk": np.ones((4, 5, 2))}).spec
    with pytest.raises(ValueError, match=r"unequal length, but all that fit saw had the shape \(5"):
        check_modalities({"walk": WALKS}, spec=equal, accept_lengths=True)


def test_lengths_go_with_rows_and_modalities():
    read = check_modalities({"walk": WALKS, "b": np.ones(4)}, accept_lengths=True)
    assert read.rows(np.array([2, 1])).lengths["walk"].tolist() == [4, 1]
    assert read.select(["b"]).lengths == {}
    assert read.select(["b"]).spec.sequences == ()
    assert read.select(["walk"]).lengths["walk"].tolist() == LENGTHS


def test_rows_of_unequal_sequences_are_taken():
    part = Modalities(walk=WALKS, b=np.ones(4))[[2, 0]]
    assert [len(walk) for walk in part["walk"]] == [4, 3]
    again = Modalities.concat([part, part])
    assert [len(walk) for walk in again["walk"]] == [4, 3, 4, 3]


VECTORS = {
    "list with a gap": [[1, 2], None, [3, 4]],
    "objects": boxed([np.array([1, 2]), None, np.array([3, 4])]),
    "column": pd.DataFrame({"v": boxed([np.array([1, 2]), None, np.array([3, 4])])}),
    "polars": pl.DataFrame({"v": [[1, 2], None, [3, 4]]}),
    "Arrow": pd.DataFrame(
        {"v": pd.array([[1, 2], None, [3, 4]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))}
    ),
}


@pytest.mark.parametrize("value", VECTORS.values(), ids=VECTORS.keys())
def test_vectors_of_one_length_are_stacked(value):
    expected = [[1, 2], [np.nan, np.nan], [3, 4]]
    read = check_modalities({"v": value, "b": np.ones(3)}, missing="mask")
    np.testing.assert_array_equal(read.arrays["v"], expected)
    assert read.present_in("v").tolist() == [True, False, True]
    assert read.lengths == {}
    raw, _ = name_modalities({"v": value})
    np.testing.assert_array_equal(raw["v"], expected)


@pytest.mark.parametrize("value", VECTORS.values(), ids=VECTORS.keys())
def test_batch_without_any_vector_is_one_in_which_all_are_missing(value):
    options = {"missing": "mask", "accept_lengths": True}
    spec = check_modalities({"v": value, "b": np.ones(3)}, **options).spec
    read = check_modalities({"v": value[1:2], "b": [1.0]}, spec=spec, **options)
    assert read.arrays["v"].shape == (1, 2)
    assert not read.present_in("v").any()
    walks = check_modalities({"walk": WALKS, "b": np.ones(4)}, **options).spec
    read = check_modalities({"walk": [None, None], "b": np.ones(2)}, spec=walks, **options)
    assert read.lengths["walk"].tolist() == [0, 0]
    assert not read.present_in("walk").any()


def test_images_in_a_column_are_stacked():
    images = pd.DataFrame({"scan": boxed([np.full((4, 5), i) for i in range(3)])})
    assert check_modalities({"scan": images}).arrays["scan"].shape == (3, 4, 5)
    with pytest.raises(ValueError, match="column 'scan' beside other columns"):
        check_modalities({"scan": images.assign(age=1.0)})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1.0, 2.0], [1.0]], "'audio' is a list of rows of unequal length"),
        (boxed([np.ones(2), np.ones(3)]), r"'audio' has rows of unequal length \(2 to 3 values\)"),
        (boxed([np.ones((2, 1)), np.ones((3, 2))]), r"'audio' has rows of shapes \(2, 1\), \(3, 2"),
        (boxed([np.ones(2), 5.0]), "'audio' has rows that are arrays and one that is 5.0"),
        (boxed([np.ones(2), np.array(["a", "b"])]), "'audio' must be numeric.*<U1"),
    ],
)
def test_rows_that_do_not_go_together_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        check_modalities({"audio": value})


@pytest.mark.parametrize("column", [[1.0, 2.0, 3.0], [1.0, None, 3.0]])
def test_numbers_in_place_of_vectors_are_refused_and_not_taken_for_missing(column):
    spec = check_modalities({"v": boxed([np.ones(2)] * 3), "w": np.ones(3)}).spec
    with pytest.raises(ValueError, match="shape"):
        check_modalities({"v": boxed(column), "w": np.ones(3)}, spec=spec, missing="mask")
    with pytest.raises(ValueError, match="shape"):  # numbers, all of them missing, are numbers
        check_modalities({"v": np.full(3, np.nan), "w": np.ones(3)}, spec=spec, missing="mask")
    nothing = check_modalities({"v": boxed([None] * 3), "w": np.ones(3)}, spec=spec, missing="mask")
    assert not nothing.present[:, 0].any()


def test_forms_that_cannot_stand_below_each_other_are_named():
    parts = [Modalities(walk=WALKS), Modalities(walk=padded(WALKS))]
    with pytest.raises(ValueError, match=r"`parts` have modality 'walk' in shapes .* as lists"):
        Modalities.concat(parts)


def test_a_gap_in_one_row_does_not_hide_where_others_end():
    array = padded(WALKS)
    array[2, 1] = np.nan  # before its end
    _, spec = name_modalities({"walk": array})
    assert spec.sequences == ("walk",)
    longer = np.pad(array, ((0, 0), (0, 3), (0, 0)), constant_values=np.nan)
    name_modalities({"walk": longer}, spec=spec)
    with pytest.raises(ValueError, match=r"NaN in part of 1 row"):
        check_modalities({"walk": array}, accept_lengths=True)
