import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector

from sk_mmbalance.modalities import check_modalities

TABLE = np.arange(20.0).reshape(4, 5)
FRAME = pd.DataFrame(TABLE, columns=["f_w", "f_h", "v_1", "v_2", "age"])


@pytest.mark.parametrize(
    "spec",
    [
        slice(2, 4),
        [2, 3],
        (2, 3),
        range(2, 4),
        np.array([2, 3]),
        [-3, -2],
        [False, False, True, True, False],
        np.array([False, False, True, True, False]),
        lambda X: [2, 3],
    ],
    ids=["slice", "list", "tuple", "range", "array", "negative", "mask", "mask array", "callable"],
)
def test_columns_of_an_array(spec):
    checked = check_modalities(TABLE, modalities={"voice": spec})
    np.testing.assert_array_equal(checked.arrays["voice"], TABLE[:, 2:4])
    assert checked.spec.n_features_in == 5


@pytest.mark.parametrize(
    "spec",
    [
        ["v_1", "v_2"],
        slice("v_1", "v_2"),
        "^v_",
        r"v_\d",
        pd.Index(["v_1", "v_2"]),
        make_column_selector(pattern="^v_"),
        slice(2, 4),
        [2, 3],
    ],
    ids=["names", "slice of names", "pattern", "digits", "index", "selector", "slice", "numbers"],
)
def test_columns_of_a_frame(spec):
    checked = check_modalities(FRAME, modalities={"voice": spec})
    np.testing.assert_array_equal(checked.arrays["voice"], TABLE[:, 2:4])
    assert checked.spec.feature_names == {"voice": ("v_1", "v_2")}
    assert checked.spec.feature_names_in.tolist() == FRAME.columns.tolist()


def test_columns_keep_the_order_given():
    checked = check_modalities(FRAME, modalities={"voice": ["v_2", "v_1"]})
    np.testing.assert_array_equal(checked.arrays["voice"], TABLE[:, [3, 2]])


def test_callable_that_fails_is_told_with_its_modality():
    X = np.zeros((4, 2))
    with pytest.raises(ValueError, match=r"`modalities` chooses 'ear' by a callable .* IndexError"):
        check_modalities(X, modalities={"ear": lambda table: table[0, 7]})


def test_columns_of_fit_hold_later_whatever_a_callable_says_then():
    def positive(X):
        return [j for j in range(X.shape[1]) if (np.asarray(X)[:, j] > 1.5).all()]

    fitted = check_modalities(TABLE, modalities={"a": positive}).spec
    later = check_modalities(-TABLE, modalities={"a": positive}, spec=fitted)
    np.testing.assert_array_equal(later.arrays["a"], -TABLE[:, 2:])


BAD = {
    "overlap": ({"a": [0, 1], "b": [1, 2]}, ValueError, "gives column 1 to both 'a' and 'b'"),
    "twice": ({"a": [0, 0]}, ValueError, "column 0 to both 'a' and 'a'"),
    "empty list": ({"a": []}, ValueError, "chooses no column for 'a'"),
    "empty slice": ({"a": slice(3, 3)}, ValueError, "chooses no column for 'a'"),
    "empty mask": ({"a": [False] * 5}, ValueError, "chooses no column for 'a'"),
    "out of range": ({"a": [7]}, ValueError, "`modalities` gives columns for 'a' that `X` with 5"),
    "unknown name": ({"a": ["age"]}, ValueError, "`modalities` gives columns for 'a'"),
    "pattern on an array": ({"a": "^f"}, ValueError, "pattern '\\^f', which needs column names"),
    "short mask": ({"a": [True, False]}, ValueError, "`modalities` gives columns for 'a'"),
    "no mapping": ([slice(0, 2)], TypeError, "`modalities` must map each modality's name"),
    "empty": ({}, ValueError, "at least one modality"),
    "name no string": ({1: [0]}, TypeError, "names must be strings; got 1"),
}


@pytest.mark.parametrize(("blocks", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_blocks_are_refused(blocks, error, message):
    with pytest.raises(error, match=message):
        check_modalities(TABLE, modalities=blocks)


def test_pattern_that_matches_nothing_is_refused():
    with pytest.raises(ValueError, match="chooses no column for 'a'"):
        check_modalities(FRAME, modalities={"a": "^zzz"})


def test_named_column_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"`modalities` gives columns for 'a'.*'gait'"):
        check_modalities(FRAME, modalities={"a": ["gait"]})
