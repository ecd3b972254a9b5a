import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sk_mmbalance import Modalities
from sk_mmbalance.exceptions import MissingModalityError
from sk_mmbalance.modalities import check_modalities

FACE = np.arange(12.0).reshape(6, 2)
VOICE = np.arange(6.0)[:, None]
GOOD = {"face": FACE, "voice": VOICE}
NAN_ROW = np.where(np.arange(6)[:, None] == 2, np.nan, FACE)


# -- what comes out ----------------------------------------------------------------------------


def test_arrays_come_out_contiguous_float_and_sorted_by_name():
    checked = check_modalities({"voice": np.arange(6), "face": np.asfortranarray(FACE)})
    assert checked.names == ("face", "voice")
    assert all(array.flags.c_contiguous for array in checked.arrays.values())
    assert checked.arrays["voice"].shape == (6, 1)
    assert checked.arrays["voice"].dtype == np.float64
    assert checked.present.all()
    assert not checked.has_missing
    assert checked.n_samples == 6


@pytest.mark.parametrize(
    ("given", "kept"),
    [(np.float64, np.float64), (np.float32, np.float32), (np.int64, np.float64)]
    + [(small, np.float32) for small in (np.uint8, np.int16, np.float16, bool)],
)
def test_precision_is_kept_and_small_integers_stay_small(given, kept):
    assert check_modalities({"a": FACE.astype(given)}).arrays["a"].dtype == kept


def test_arrays_of_any_dimension():
    checked = check_modalities({"image": np.zeros((4, 1, 3, 3)), "seq": np.zeros((4, 5, 2))})
    assert checked.spec.shapes == {"image": (1, 3, 3), "seq": (5, 2)}
    assert checked.spec.n_features_in == 19
    assert checked.flat("image").shape == (4, 9)


def test_modalities_within_a_modality_are_refused_by_name():
    inner = Modalities(a=np.ones((3, 1)))
    with pytest.raises(TypeError, match=r"`X` modality 'ear' must be one array or table; got Moda"):
        check_modalities({"ear": inner})


def test_torch_tensors():
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(FACE, requires_grad=True)
    np.testing.assert_array_equal(check_modalities({"a": tensor}).arrays["a"], FACE)


def test_object_arrays_of_numbers_and_none():
    array = FACE.astype(object)
    array[2] = None
    checked = check_modalities({"a": array, "b": VOICE}, missing="mask")
    assert checked.present[:, 0].tolist() == [True, True, False, True, True, True]


def test_pandas_values_with_nullable_types():
    frame = pd.DataFrame({"a": pd.array([1, 2, None], dtype="Int64")})
    checked = check_modalities({"a": frame, "b": np.ones((3, 1))}, missing="mask")
    assert checked.present[:, 0].tolist() == [True, True, False]


def test_sparse_stays_sparse_where_it_may():
    X = {"s": sparse.dok_array(FACE), "d": VOICE}
    checked = check_modalities(X, accept_sparse=True)
    assert checked.arrays["s"].format == "csr"
    assert checked.flat("s") is checked.arrays["s"]
    with pytest.raises(TypeError, match="modality 's' cannot be used: Sparse data was passed"):
        check_modalities(X)


def test_dok_array_is_a_table_not_a_dict():
    checked = check_modalities(sparse.dok_array(FACE), accept_sparse=True)
    assert checked.names == ("X",)


def test_memory_map_is_not_copied(tmp_path):
    np.save(tmp_path / "a.npy", FACE)
    memmap = np.load(tmp_path / "a.npy", mmap_mode="r")
    checked = check_modalities({"a": memmap})
    assert checked.on_disk
    assert np.shares_memory(checked.arrays["a"], memmap)
    rows = check_modalities(Modalities(a=memmap)[[4, 1]])
    np.testing.assert_array_equal(rows.arrays["a"], FACE[[4, 1]])


def test_given_arrays_are_not_copied_when_they_fit():
    assert np.shares_memory(check_modalities({"a": FACE}).arrays["a"], FACE)


def test_flat_table_is_one_modality():
    checked = check_modalities(FACE)
    assert checked.names == ("X",)
    assert checked.spec.columns["X"].tolist() == [0, 1]


def test_feature_names_of_frames():
    both = {
        "face": pd.DataFrame(FACE, columns=["w", "h"]),
        "voice": pd.DataFrame({"p": VOICE[:, 0]}),
    }
    spec = check_modalities(both).spec
    assert spec.feature_names_in.tolist() == ["face__w", "face__h", "voice__p"]
    one = check_modalities({"face": both["face"], "voice": VOICE}).spec
    assert one.feature_names_in is None
    assert one.feature_names == {"face": ("w", "h")}


def test_rows_and_select():
    checked = check_modalities({"face": NAN_ROW, "voice": VOICE}, missing="mask")
    part = checked.rows(np.array([2, 0]))
    assert part.present.tolist() == [[False, True], [True, True]]
    voice = checked.select(["voice"])
    assert voice.names == ("voice",)
    assert voice.spec.n_features_in == 1
    assert checked.present_in("face").sum() == 5


# -- missing -----------------------------------------------------------------------------------


def test_missing_rows_are_an_error_that_names_the_mend():
    with pytest.raises(MissingModalityError, match=r"'face' contains NaN in all.*1 row.*'mask'"):
        check_modalities({"face": NAN_ROW, "voice": VOICE})


def test_missing_rows_are_marked_with_mask():
    checked = check_modalities({"face": NAN_ROW, "voice": VOICE}, missing="mask")
    assert checked.has_missing
    assert checked.present[:, 0].tolist() == [True, True, False, True, True, True]
    assert checked.present[:, 1].all()


@pytest.mark.parametrize("missing", ["error", "mask"])
def test_nan_in_part_of_a_row_names_modality_and_row_count(missing):
    partly = FACE.copy()
    partly[[0, 3], 1] = np.nan
    with pytest.raises(ValueError, match=r"'face' contains NaN in part of 2 row\(s\).*SimpleImp"):
        check_modalities({"face": partly, "voice": VOICE}, missing=missing)


def test_image_with_one_bad_pixel_is_not_missing():
    image = np.zeros((3, 1, 2, 2))
    image[1, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"NaN in part of 1 row"):
        check_modalities({"image": image}, missing="mask")


def test_row_that_lacks_everything_is_an_error():
    nothing = {"face": NAN_ROW, "voice": np.where(np.arange(6)[:, None] == 2, np.nan, VOICE)}
    with pytest.raises(MissingModalityError, match=r"1 row\(s\) in which every modality is miss"):
        check_modalities(nothing, missing="mask")
    kept = check_modalities(nothing, missing="mask", keep_all_missing=True)
    assert not kept.present[2].any()


def test_modality_missing_in_every_row_of_fit_is_an_error():
    with pytest.raises(MissingModalityError, match="'face' is missing in every row"):
        check_modalities({"face": FACE * np.nan, "voice": VOICE}, missing="mask")


def test_modality_absent_at_predict_equals_all_rows_missing():
    spec = check_modalities(GOOD).spec
    checked = check_modalities({"voice": VOICE}, spec=spec, missing="mask")
    assert checked.present.tolist() == [[False, True]] * 6
    assert checked.arrays["face"].shape == (6, 2)
    assert np.isnan(checked.arrays["face"]).all()
    with pytest.raises(MissingModalityError, match=r"`X` lacks modality 'face' seen in fit.*mask"):
        check_modalities({"voice": VOICE}, spec=spec)


def test_values_whose_sum_overflows_are_neither_missing_nor_infinite():
    checked = check_modalities({"a": np.full((4, 2), 1e308)})
    assert checked.present.all()


def test_modality_of_one_column_is_told_how_to_be_imputed():
    age = np.array([[1.0], [np.nan], [2.0]])
    with pytest.raises(MissingModalityError, match=r"one column is missing wherever .* impute it"):
        check_modalities({"age": age, "b": np.ones((3, 1))})
    with pytest.raises(MissingModalityError) as caught:
        check_modalities({"face": NAN_ROW, "voice": VOICE})
    assert "one column" not in str(caught.value)


def test_values_beyond_a_precision_are_named_with_the_largest():
    far = check_modalities({"a": np.array([[1.0], [-1e39]]), "b": np.ones((2, 1))})
    with pytest.raises(ValueError, match=r"'a' has values up to 1e\+39, beyond what float32"):
        far.refuse_beyond(np.float32)
    far.refuse_beyond(np.float64)
    with_gap = {"a": np.array([[3e38], [np.nan]]), "b": np.ones((2, 1))}
    check_modalities(with_gap, missing="mask").refuse_beyond(np.float32)
    behind = {"a": np.ones((2, 1), np.float32), "b": np.array([[1.0], [1e39]])}
    with pytest.raises(ValueError, match="'b' has values up to 1e"):
        check_modalities(behind).refuse_beyond(np.float32)
    matrix = check_modalities({"a": sparse.csr_array([[0, 1e39]])}, accept_sparse=True)
    with pytest.raises(ValueError, match="'a' has values up to 1e"):
        matrix.refuse_beyond(np.float32)


@pytest.mark.parametrize("accept_sparse", [False, True])
def test_table_without_columns_is_refused_as_an_array_without_columns_is(accept_sparse):
    for empty in (pd.DataFrame(index=range(3)), np.ones((3, 0))):
        with pytest.raises(ValueError, match=r"'a' cannot be used: .* 0 feature"):
            check_modalities({"a": empty, "b": np.ones((3, 1))}, accept_sparse=accept_sparse)


# -- bad input ---------------------------------------------------------------------------------

BAD = {
    "unequal lengths": ({"a": FACE, "b": VOICE[:3]}, ValueError, "'a' has 6, 'b' has 3"),
    "no rows": ({"a": FACE[:0]}, ValueError, r"modality 'a' cannot be used: Found array with 0 sa"),
    "no columns": ({"a": FACE[:, :0]}, ValueError, r"modality 'a'.*0 feature\(s\)"),
    "empty image": ({"a": np.zeros((3, 0, 2))}, ValueError, "modality 'a' has no values"),
    "no rows, flat": (FACE[:0], ValueError, "Found array with 0 sample"),
    "no modality": ({}, ValueError, "`X` must hold at least one modality"),
    "infinity": ({"a": FACE + np.inf}, ValueError, "'a' contains infinity"),
    "text": ({"a": ["x"] * 6}, ValueError, "'a' must be numeric; got dtype object.*Transformer"),
    "text array": ({"a": np.array(["x"] * 6)}, ValueError, "'a' must be numeric; got dtype <U1"),
    "objects": (
        {"a": np.array([[{}]] * 6, dtype=object)},
        TypeError,
        "'a' must be numeric; got dtype object",
    ),
    "complex": ({"a": FACE + 1j}, ValueError, "'a' must be real; got complex numbers"),
    "list of arrays": ([FACE, VOICE], TypeError, r"`X` is a list of 2 arrays; give each.*a name"),
    "tuple of arrays": ((FACE, VOICE), TypeError, "`X` is a tuple of 2 arrays"),
    "name no string": ({0: FACE}, TypeError, "names must be strings; got 0"),
    "scalar": (3.0, ValueError, "Expected 2D array, got scalar"),
    "one dimension": (VOICE[:, 0], ValueError, "Expected 2D array, got 1D"),
    "sparse NaN": (
        {"a": sparse.csr_array(np.array([[np.nan]]))},
        ValueError,
        r"'a' \(sparse\) contains NaN",
    ),
}


@pytest.mark.parametrize(("X", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        check_modalities(X, accept_sparse=True)


LATER = {
    "unknown": (GOOD | {"gait": VOICE}, ValueError, r"'gait', not seen in fit; known .* fit again"),
    "lacking": ({"face": FACE}, MissingModalityError, "lacks modality 'voice' seen in fit"),
    "fewer columns": (GOOD | {"face": VOICE}, ValueError, r"'face' has shape \(1,\).*\(2,\) was s"),
    "other dimension": (GOOD | {"face": FACE[:, :, None]}, ValueError, r"has shape \(2, 1\)"),
    "flat": (FACE, TypeError, r"flat ndarray, but modalities \['face', 'voice'\] were seen in fit"),
}


@pytest.mark.parametrize(("X", "error", "message"), LATER.values(), ids=LATER.keys())
def test_input_unlike_that_of_fit_is_refused(X, error, message):
    spec = check_modalities(GOOD).spec
    with pytest.raises(error, match=message):
        check_modalities(X, spec=spec)


def test_changed_feature_names_are_refused():
    spec = check_modalities({"a": pd.DataFrame(FACE, columns=["w", "h"]), "b": VOICE}).spec
    with pytest.raises(ValueError, match=r"'a' has features \['h', 'w'\], but fit saw"):
        check_modalities({"a": pd.DataFrame(FACE, columns=["h", "w"]), "b": VOICE}, spec=spec)


def test_bad_missing_is_refused():
    with pytest.raises(ValueError, match="`missing` must be 'error' or 'mask'; got 'impute'"):
        check_modalities(GOOD, missing="impute")


def test_named_input_is_held_to_the_names_in_modalities():
    blocks = {"face": [0], "voice": [1]}
    with pytest.raises(MissingModalityError, match="lacks modality 'voice' named in `modalities`"):
        check_modalities({"face": FACE}, modalities=blocks)
    with pytest.raises(ValueError, match=r"'gait', not named in `modalities`.* or name it there"):
        check_modalities(GOOD | {"gait": VOICE}, modalities=blocks)
    with pytest.raises(TypeError, match="`modalities` must map"):
        check_modalities(GOOD, modalities=["face"])


# -- only some of the modalities ---------------------------------------------------------------


@pytest.mark.parametrize("voice", [np.full((6, 1), np.inf), np.full((6, 1), "?"), FACE])
def test_modalities_that_are_not_used_are_not_looked_at(voice):
    spec = check_modalities(GOOD).spec
    checked = check_modalities({"face": FACE, "voice": voice}, spec=spec, only=["face"])
    assert checked.names == ("face", "voice")
    np.testing.assert_array_equal(checked.arrays["face"], FACE)
    assert checked.present.tolist() == [[True, False]] * 6
    absent = check_modalities({"face": FACE}, spec=spec, only=["face"])
    np.testing.assert_array_equal(absent.present, checked.present)


@pytest.mark.parametrize("missing", ["error", "mask"])
def test_modalities_that_are_used_alone_must_be_there(missing):
    spec = check_modalities(GOOD).spec
    with pytest.raises(MissingModalityError, match="lacks modality 'face' seen in fit; got"):
        check_modalities({"voice": VOICE}, spec=spec, missing=missing, only=["face"])


def test_whole_numbers_of_128_bits_are_read():
    pl = pytest.importorskip("polars")
    table = pl.DataFrame({"n": pl.Series([1, 2, 3], dtype=pl.Int128), "x": [0.5, 1.5, 2.5]})
    found = check_modalities({"a": table}).arrays["a"]
    assert found.tolist() == [[1, 0.5], [2, 1.5], [3, 2.5]]


def test_sparse_values_whose_sum_overflows_are_there():
    large = sparse.csr_matrix([[1.7e308, 0], [1.7e308, 1.0]])
    checked = check_modalities({"a": large}, missing="mask", accept_sparse=True)
    assert checked.present.all()


def test_nested_tensors_are_refused_by_name():
    torch = pytest.importorskip("torch")
    with pytest.warns(UserWarning, match="prototype"):
        nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    with pytest.raises(TypeError, match="'a' is a nested torch tensor; pass a list of tensors"):
        check_modalities({"a": nested})
