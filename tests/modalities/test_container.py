import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.utils import _safe_indexing, indexable, resample

from sk_mmbalance import Modalities


@pytest.fixture
def X():
    return Modalities(face=np.arange(12.0).reshape(6, 2), voice=np.arange(6) * 10.0)


# -- what it holds -----------------------------------------------------------------------------


def test_names_are_sorted_whatever_the_order_given():
    a = np.zeros((2, 1))
    assert Modalities(b=a, a=a).names == Modalities({"a": a, "b": a}).names == ("a", "b")


def test_length_counts_samples_and_iteration_gives_names(X):
    assert len(X) == 6
    assert X.shape == (6,)
    assert list(X) == ["face", "voice"]
    assert [name for name, _ in X.items()] == list(X.keys()) == ["face", "voice"]
    assert len(X.values()) == 2
    assert set(dict(X)) == set({**X}) == {"face", "voice"}
    assert "face" in X
    assert "gait" not in X


def test_string_gives_the_array_itself():
    a = np.zeros((3, 2))
    assert Modalities(face=a)["face"] is a


def test_mapping_and_keywords_can_be_mixed_but_not_repeated():
    a = np.zeros((2, 1))
    assert Modalities({"a": a}, b=a).names == ("a", "b")
    with pytest.raises(ValueError, match=r"both give \['a'\]"):
        Modalities({"a": a}, a=a)


def test_modalities_of_modalities_share_the_arrays(X):
    assert Modalities(X)["face"] is X["face"]


def test_repr_shows_samples_shapes_and_types():
    X = Modalities(a=np.zeros((2, 3)), t=["x", "y"], s=sparse.csr_array(np.eye(2)))
    assert repr(X) == (
        "Modalities(n_samples=2, a: (2, 3) float64, s: (2, 2) float64, t: (2,) object)"
    )
    assert "DataFrame" in repr(Modalities(f=pd.DataFrame({"a": [1]})))


@pytest.mark.parametrize(("n", "rest"), [(20, ""), (21, ""), (22, "and 2 more modalities)")])
def test_repr_of_many_names_the_first(n, rest):
    told = repr(Modalities({f"m{k:03}": np.zeros(2) for k in range(n)}))
    shown = n if not rest else 20
    assert told.count("float64") == shown
    assert told.endswith(rest or "float64)")


def test_info_counts_bytes_and_missing_values():
    walks = np.empty(3, dtype=object)
    walks[:] = [np.zeros((2, 3)), np.zeros((4, 3)), None]
    X = Modalities(n=np.arange(6).reshape(3, 2), walk=walks, x=[1.0, np.nan, 2.0])
    told = X.info()
    assert told["bytes"].to_dict() == {"n": 48, "walk": 6 * 24 + len("None"), "x": 24}
    assert told["missing_values"].round(3).to_dict() == {"n": 0, "walk": 0.333, "x": 0.333}


def test_pickle(X):
    again = pickle.loads(pickle.dumps(X))
    np.testing.assert_array_equal(again["face"], X["face"])


# -- rows --------------------------------------------------------------------------------------

ROWS = {
    "slice": slice(1, 4),
    "step": slice(None, None, -2),
    "list": [4, 0],
    "array": np.array([5, 5, 1]),
    "negative": np.array([-1, 2]),
    "mask": np.array([True, False, True, False, False, True]),
    "boolean list": [True, False, True, False, False, True],
    "series": pd.Series([2, 3]),
    "tuple": (np.array([0, 3]), ...),
    "tuple slice": (slice(0, 2), ...),
    "empty list": [],
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS.keys())
def test_rows_of_all_modalities_are_taken_together(X, rows):
    part = X[rows]
    plain = rows[0] if isinstance(rows, tuple) else rows
    plain = np.asarray(plain, dtype=int) if isinstance(plain, list) and not plain else plain
    plain = plain.to_numpy() if isinstance(plain, pd.Series) else plain
    assert isinstance(part, Modalities)
    for name in X:
        np.testing.assert_array_equal(part[name], X[name][plain])
    assert len(part) == len(X["face"][plain])


@pytest.mark.parametrize("row", [2, np.int64(2), -4])
def test_integer_gives_one_row(X, row):
    part = X[row]
    assert len(part) == 1
    np.testing.assert_array_equal(part["face"], X["face"][[2]])


def test_list_of_names_selects_modalities(X):
    assert X[["face"]].names == X.select(["face"]).names == ("face",)
    with pytest.raises(KeyError, match="no modality"):
        X.select(["gait"])
    with pytest.raises(KeyError, match="no modality 'gait'; there are"):
        X["gait"]


def test_row_out_of_range_is_an_error(X):
    with pytest.raises(IndexError):
        X[6]
    with pytest.raises(IndexError):
        X[[9]]
    with pytest.raises(IndexError, match="mask of length 2 does not fit 6 samples"):
        X[np.array([True, False])]


@pytest.mark.parametrize(
    "index",
    [np.zeros((2, 2), int), True, np.bool_(True), None, 1.0, [0.5], {1}, [[0], [1]], ["face", 2]],
    ids=str,
)
def test_index_that_is_no_list_of_rows_is_refused(X, index):
    with pytest.raises((IndexError, TypeError, KeyError)):
        X[index]


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (np.array([0, 2], dtype=object), [0, 2]),
        (np.array([True, False] * 3, dtype=object), [0, 2, 4]),
        (pd.array([True, False] * 3, dtype="boolean"), [0, 2, 4]),
        (range(1, 3), [1, 2]),
        (np.array([1, 3], np.uint8), [1, 3]),
    ],
    ids=["object numbers", "object mask", "nullable mask", "range", "small numbers"],
)
def test_row_numbers_of_any_kind(X, index, rows):
    np.testing.assert_array_equal(X[index]["voice"], X["voice"][rows])


def test_feature_names_go_with_rows_and_modalities(X):
    named = X.with_feature_names({"face": ["w", "h"]})
    assert named.feature_names == {"face": ("w", "h")}
    for part in (named[:2], named[[1, 0]], named.select(["face"]), Modalities(named)):
        assert part.feature_names == {"face": ("w", "h")}
    assert Modalities.concat([named, named]).feature_names == {"face": ("w", "h")}
    assert named.select(["face"]).to_frame()["face"].columns.tolist() == ["w", "h"]
    assert X.feature_names == {}
    frame = Modalities(face=pd.DataFrame({"w": [1.0]}))
    assert frame.feature_names == {"face": ("w",)}
    with pytest.raises(ValueError, match="`names` has 1 names for 'face', which has 2 columns"):
        X.with_feature_names({"face": ["w"]})
    with pytest.raises(KeyError, match="no modality"):
        X.with_feature_names({"gait": ["w"]})


def test_shape_of_a_sample_is_told_without_reading():
    assert Modalities(image=np.zeros((2, 3, 4, 5))).sample_shape("image") == (3, 4, 5)


def test_resampling_is_told_to_take_row_numbers(X):
    with pytest.raises(TypeError, match=r"What resamples rows takes their numbers: X\[rows\]"):
        np.asarray(X)


def test_columns_cannot_be_taken_from_all_modalities(X):
    with pytest.raises(TypeError, match="one axis, its rows"):
        X[:, 0]


def test_rows_of_a_frame_are_taken_by_position_not_columns():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}, index=[10, 11, 12])
    part = Modalities(t=frame)[[2, 0]]["t"]
    assert part["a"].tolist() == [3, 1]
    assert part.index.tolist() == [12, 10]


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.coo_array, sparse.dok_array])
def test_rows_of_sparse_modalities(kind):
    part = Modalities(s=kind(np.eye(4)))[[3, 1]]["s"]
    np.testing.assert_array_equal(part.toarray(), np.eye(4)[[3, 1]])


def test_rows_of_torch_tensors():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(8.0).reshape(4, 2)
    for rows in ([2, 0], np.array([True, False, True, False]), slice(1, 3)):
        part = Modalities(t=tensor)[rows]["t"]
        np.testing.assert_array_equal(part.numpy(), tensor.numpy()[rows])


def test_text_as_list_or_array():
    X = Modalities(t=["a", None, "c"], u=np.array(["x", "y", "z"]))
    assert X[[2, 1]]["t"].tolist() == ["c", None]
    assert X[[0]]["u"].tolist() == ["x"]


def test_scikit_learns_own_indexing(X):
    np.testing.assert_array_equal(_safe_indexing(X, [3, 1])["voice"], [30, 10])
    assert indexable(X, np.zeros(6))[0] is X
    drawn, y = resample(X, np.arange(6), random_state=0)
    np.testing.assert_array_equal(drawn["voice"], y * 10.0)


def test_no_single_array_can_be_made_of_it(X):
    with pytest.raises(TypeError, match="ModalityConcatenator"):
        np.asarray(X)


# -- memory maps -------------------------------------------------------------------------------


@pytest.fixture
def memmap(tmp_path):
    file = tmp_path / "big.npy"
    np.save(file, np.arange(40.0).reshape(10, 4))
    return np.load(file, mmap_mode="r")


def test_rows_of_a_memory_map_are_not_read_until_asked_for(memmap):
    part = Modalities(a=memmap)[np.array([8, 2, 5])][[0, 2]]
    lazy = part._values["a"]
    assert lazy.memmap is memmap
    assert lazy.rows.tolist() == [8, 5]
    assert part._values["a"].shape == (2, 4)
    np.testing.assert_array_equal(part["a"], np.asarray(memmap)[[8, 5]])
    assert repr(part) == "Modalities(n_samples=2, a: (2, 4) float64)"


def test_slice_of_a_memory_map_is_a_memory_map(memmap):
    assert isinstance(Modalities(a=memmap)[2:5]["a"], np.memmap)


def _file_and_sum(X):
    lazy = X._values["a"]
    return type(lazy.memmap).__name__, str(lazy.memmap.filename), float(X["a"].sum())


def test_workers_share_the_file_of_a_memory_map(memmap):
    X = Modalities(a=memmap)
    parts = [X[np.arange(0, 5)], X[np.arange(5, 10)]]
    found = Parallel(n_jobs=2)(delayed(_file_and_sum)(part) for part in parts)
    assert [kind for kind, _, _ in found] == ["memmap", "memmap"]
    assert {file for _, file, _ in found} == {str(memmap.filename)}
    assert [total for _, _, total in found] == [190.0, 590.0]


# -- other forms -------------------------------------------------------------------------------


def test_concat_stacks_rows(X):
    whole = Modalities.concat([X[:2], X[2:]])
    np.testing.assert_array_equal(whole["face"], X["face"])
    frames = Modalities(f=pd.DataFrame({"a": [1, 2]}))
    assert Modalities.concat([frames, frames])["f"]["a"].tolist() == [1, 2, 1, 2]
    text = Modalities(s=sparse.csr_array(np.eye(2)))
    assert Modalities.concat([text, text])["s"].shape == (4, 2)
    with pytest.raises(ValueError, match="at least one"):
        Modalities.concat([])
    with pytest.raises(ValueError, match="same modalities"):
        Modalities.concat([X, X.select(["face"])])


def test_two_level_frame_and_back():
    columns = pd.MultiIndex.from_tuples([("v", "p"), ("f", "w"), ("v", "q"), ("f", "h")])
    frame = pd.DataFrame(np.arange(8.0).reshape(2, 4), columns=columns, index=["r", "s"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X = Modalities.from_frame(frame)
    assert X.names == ("f", "v")
    assert X["v"].columns.tolist() == ["p", "q"]
    back = X.to_frame()
    assert back.index.tolist() == ["r", "s"]
    pd.testing.assert_frame_equal(back[frame.columns.tolist()], frame)


def test_to_frame_wants_two_dimensions():
    with pytest.raises(ValueError, match="'im' has shape"):
        Modalities(im=np.zeros((2, 2, 2))).to_frame()


def test_from_frame_wants_two_levels():
    with pytest.raises(TypeError, match=r"two-level columns.*1 level"):
        Modalities.from_frame(pd.DataFrame({"a": [1]}))


def test_npz_file_and_back(X, tmp_path):
    X.save(tmp_path / "x.npz")
    again = Modalities.load(tmp_path / "x.npz")
    assert again.names == X.names
    np.testing.assert_array_equal(again["voice"], X["voice"])
    np.savez(tmp_path / "with_y.npz", a=np.ones(3), y=np.ones(3), modalities=np.array(["a"]))
    assert Modalities.load(tmp_path / "with_y.npz").names == ("a",)


# -- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([np.zeros((2, 1))], TypeError, "must map names to arrays.*got list"),
        (np.zeros((2, 1)), TypeError, "got ndarray"),
        (sparse.dok_array((2, 2)), TypeError, "got dok_array"),
        ({}, ValueError, "at least one modality; got none"),
        ({3: np.zeros((2, 1))}, TypeError, r"names must be strings; got 3 \(int\)"),
        ({"": np.zeros((2, 1))}, ValueError, "must not be empty"),
        ({"a__b": np.zeros((2, 1))}, ValueError, "contain '__'; got 'a__b'. Rename"),
        ({"a": np.zeros((2, 1)), "b": np.zeros((3, 1))}, ValueError, "'a' has 2, 'b' has 3"),
        ({"a": 5.0}, ValueError, "modality 'a' must have one row per sample; got a scalar"),
    ],
)
def test_bad_input_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        Modalities(given)


def test_frames_whose_rows_bear_other_labels_are_refused():
    face = pd.DataFrame({"f": [1.0, 2.0, 3.0]}, index=[10, 11, 12])
    voice = pd.DataFrame({"v": [1.0, 2.0, 3.0]}, index=[12, 11, 10])
    with pytest.raises(ValueError, match="'face' and 'voice' are DataFrames with different row"):
        Modalities(face=face, voice=voice)
    aligned = Modalities(face=face, voice=voice.loc[face.index])
    assert aligned["voice"]["v"].tolist() == [3.0, 2.0, 1.0]
    assert len(Modalities(face=face, voice=voice.to_numpy())) == 3


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool", "complex64"])
def test_pickles_of_tensors_are_alike_and_bring_them_back(dtype):
    torch = pytest.importorskip("torch")
    given = torch.arange(12).reshape(4, 3).to(getattr(torch, dtype))

    def made(values):
        return Modalities(a=values, b=np.ones((4, 2)))

    assert joblib.hash(made(given)) == joblib.hash(made(given.clone()))
    assert joblib.hash(made(given)) != joblib.hash(made(given.flip(0).contiguous()))
    (again,) = pickle.loads(pickle.dumps([made(given)]))
    assert torch.equal(again["a"], given)
    assert again["a"].dtype == given.dtype


def test_modalities_inside_a_modality_are_refused_by_name():
    inner = Modalities(left=np.zeros((3, 1)), right=np.zeros((3, 1)))
    with pytest.raises(TypeError, match=r"`X` modality 'eyes' must be one array .*'left', 'right'"):
        Modalities(eyes=inner, ear=np.zeros((3, 1)))
