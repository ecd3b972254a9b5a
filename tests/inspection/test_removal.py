"""What stands in the place of a removed modality, for every form and kind of input."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array, issparse

from sk_mmbalance import Modalities
from sk_mmbalance.inspection._input import read_input
from sk_mmbalance.inspection._removal import Removal

FACE = np.arange(8.0).reshape(4, 2)
VOICE = np.array([[10.0], [20.0], [30.0], [40.0]])


def removal(method, X, *, background=None, modalities=None, weights=None, n_repeats=2, seed=0):
    given = read_input(X, modalities=modalities)
    other = None if background is None else read_input(background, modalities=modalities)
    rng = np.random.RandomState(seed)
    return Removal(method, given, other, weights, n_repeats, rng)


def without_voice(n=4):
    return np.column_stack([np.zeros(n, dtype=bool), np.ones(n, dtype=bool)])


FORMS = {
    "Modalities": lambda: Modalities(face=FACE, voice=VOICE),
    "dict": lambda: {"face": FACE.copy(), "voice": VOICE.copy()},
    "two-level DataFrame": lambda: Modalities(face=FACE, voice=VOICE).to_frame(),
    "array": lambda: np.column_stack([VOICE, FACE]),
    "DataFrame": lambda: pd.DataFrame(np.column_stack([VOICE, FACE]), columns=["v", "f", "g"]),
    "sparse": lambda: csr_array(np.column_stack([VOICE, FACE])),
}


def values_of(X):
    """Face and voice of any of these forms."""
    if isinstance(X, pd.DataFrame) and X.columns.nlevels == 2:
        return X["face"].to_numpy(), X["voice"].to_numpy()
    if isinstance(X, Modalities | dict):
        return X["face"], X["voice"]
    X = X.toarray() if issparse(X) else np.asarray(X)
    return X[:, 1:], X[:, :1]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["zero", "mean", "permute", "marginal", "native"])
def test_input_keeps_its_form_and_the_other_modality(form, method):
    if (form, method) == ("sparse", "native"):
        pytest.skip("a sparse matrix holds no NaN; see the test of the error")
    X = FORMS[form]()
    blocks = {"face": [1, 2], "voice": [0]} if form in ("array", "DataFrame", "sparse") else None
    removed = removal(method, X, modalities=blocks).apply(without_voice())
    assert type(removed) is type(X)
    if isinstance(X, pd.DataFrame):
        pd.testing.assert_index_equal(removed.columns, X.columns)
        pd.testing.assert_index_equal(removed.index, X.index)
    face, voice = values_of(removed)
    np.testing.assert_array_equal(face, FACE)
    expected = {"zero": {0.0}, "mean": {25.0}}.get(method, set(VOICE.ravel()))
    if method == "native":
        assert np.isnan(voice).all()
    else:
        assert set(voice.ravel()) <= expected
    if method == "permute":
        assert sorted(voice.ravel()) == sorted(VOICE.ravel())
    np.testing.assert_array_equal(values_of(X)[1], VOICE)  # what was given is as it was


def test_all_removed_modalities_of_a_row_come_from_the_same_other_row():
    X = Modalities(face=np.arange(50.0), voice=np.arange(50.0) + 100)
    for method in ("permute", "marginal"):
        removed = removal(method, X).apply(np.ones((50, 2), dtype=bool))
        np.testing.assert_array_equal(removed["voice"], removed["face"] + 100)


def test_draws_differ_and_coalitions_share_them():
    X = Modalities(face=np.arange(50.0), voice=np.arange(50.0))
    plan = removal("permute", X)
    both = np.ones((50, 2), dtype=bool)
    one = np.column_stack([np.zeros(50, dtype=bool), np.ones(50, dtype=bool)])
    assert plan.n_draws == 2
    assert (plan.apply(both, 0)["voice"] != plan.apply(both, 1)["voice"]).any()
    np.testing.assert_array_equal(plan.apply(both, 1)["voice"], plan.apply(one, 1)["voice"])


@pytest.mark.parametrize("method", ["zero", "mean", "permute", "marginal", "native"])
def test_what_a_row_lacks_stays_lacking_and_is_given_to_no_other(method):
    voice = VOICE.copy()
    voice[1] = np.nan
    plan = removal(method, Modalities(face=FACE, voice=voice), n_repeats=5)
    for draw in range(plan.n_draws):
        got = plan.apply(without_voice(), draw)["voice"].ravel()
        lacking = np.isnan(got)
        assert lacking[1]
        if method != "native":
            assert not lacking[[0, 2, 3]].any()
        if method == "mean":
            np.testing.assert_allclose(got[[0, 2, 3]], 80 / 3)


def test_mean_is_weighted_and_of_the_background():
    X = {"face": FACE, "voice": VOICE}
    weighted = removal("mean", X, weights=np.array([1.0, 0.0, 0.0, 3.0]))
    assert weighted.apply(without_voice())["voice"][0] == (10 + 3 * 40) / 4
    background = {"face": FACE[:2], "voice": VOICE[:2]}
    assert removal("mean", X, background=background).apply(without_voice())["voice"][0] == 15


def test_marginal_draws_whole_rows_of_the_background():
    background = {"face": np.array([[-1.0, -2.0], [-3.0, -4.0]]), "voice": VOICE[:2]}
    plan = removal("marginal", {"face": FACE, "voice": VOICE}, background=background)
    got = plan.apply(~without_voice())["face"]
    assert {tuple(row) for row in got.tolist()} <= {(-1, -2), (-3, -4)}


def test_images_keep_their_shape_and_small_numbers_their_range():
    X = {"image": np.arange(48, dtype=np.uint8).reshape(4, 3, 2, 2), "voice": VOICE}
    one = ~without_voice()
    assert removal("zero", X).apply(one)["image"].dtype == np.uint8
    mean = removal("mean", X).apply(one)["image"]
    assert mean.shape == (4, 3, 2, 2)
    np.testing.assert_allclose(mean[0], X["image"].mean(axis=0))
    native = removal("native", X).apply(one)["image"]
    assert native.dtype == np.float32
    assert np.isnan(native).all()


def test_text_and_categories_are_exchanged_by_other_rows_or_by_nothing():
    frame = pd.DataFrame({"city": pd.Categorical(["a", "b", "a", "b"]), "ok": [True] * 4})
    X = {"note": ["x", "y", "z", None], "patient": frame}
    both = np.ones((4, 2), dtype=bool)
    shuffled = removal("permute", X).apply(both)
    assert sorted(shuffled["note"][:3]) == ["x", "y", "z"]
    assert shuffled["note"][3] is None
    assert isinstance(shuffled["patient"]["city"].dtype, pd.CategoricalDtype)
    assert shuffled["patient"]["ok"].dtype == bool
    native = removal("native", X).apply(both)
    assert native["patient"].isna().all().all()
    assert isinstance(native["patient"]["city"].dtype, pd.CategoricalDtype)
    assert all(value is None for value in native["note"])
    for method in ("zero", "mean"):
        with pytest.raises(TypeError, match=r"needs numbers.*'note'.*`removal='permute'`"):
            removal(method, X).apply(both)
        with pytest.raises(TypeError, match=r"'patient' has columns \['city'\]"):
            removal(method, {"patient": frame}).apply(both[:, :1])


def test_flags_have_a_mean():
    frame = pd.DataFrame({"ok": [True, False, True, True], "n": [1, 2, 3, 4]})
    got = removal("mean", {"patient": frame}).apply(np.array([[True], [False]] * 2))["patient"]
    assert got["ok"].tolist() == [0.75, 0.0, 0.75, 1.0]
    assert got["n"].tolist() == [2.5, 2.0, 2.5, 4.0]
    zero = removal("zero", {"patient": frame}).apply(np.ones((4, 1), dtype=bool))["patient"]
    assert zero["ok"].dtype == bool
    assert not zero["ok"].any()


def test_sparse_modality_cannot_be_marked_absent():
    with pytest.raises(TypeError, match=r"`removal='native'`.*sparse.*dense"):
        removal("native", {"face": FACE, "voice": csr_array(VOICE)}).apply(without_voice())


def test_background_without_a_modality_is_an_error():
    background = {"face": FACE, "voice": np.full((4, 1), np.nan)}
    with pytest.raises(ValueError, match="`background` has no row with modality 'voice'"):
        removal("mean", {"face": FACE, "voice": VOICE}, background=background)


def test_columns_of_no_modality_stay():
    X = np.arange(12.0).reshape(4, 3)
    plan = removal("zero", X, modalities={"a": [0], "b": [2]})
    np.testing.assert_array_equal(plan.apply(np.ones((4, 2), dtype=bool))[:, 1], X[:, 1])


def test_flat_table_without_columns_is_an_error_with_the_remedy():
    with pytest.raises(ValueError, match=r"`modalities` must name the columns.*slice"):
        read_input(np.zeros((4, 3)), modalities=None)
