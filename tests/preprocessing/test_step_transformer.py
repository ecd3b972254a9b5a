"""A transformer of tables for the steps of sequences."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sk_mmbalance import Modalities, ModalityTransformer, make_preprocessor
from sk_mmbalance.preprocessing import StepTransformer

RNG = np.random.default_rng(0)
WALKS = [RNG.normal(3.0, 5.0, size=(n, 3)) for n in (4, 1, 6)]
STEPS = np.concatenate(WALKS)


def test_steps_are_the_rows_of_the_inner_transformer():
    found = StepTransformer(StandardScaler()).fit_transform(WALKS)
    assert [walk.shape for walk in found] == [(4, 3), (1, 3), (6, 3)]
    np.testing.assert_array_equal(
        np.concatenate(list(found)), StandardScaler().fit_transform(STEPS)
    )


def test_what_nan_fills_up_is_the_same_sequences():
    array = np.full((3, 9, 3), np.nan)
    for row, walk in zip(array, WALKS, strict=True):
        row[: len(walk)] = walk
    found = StepTransformer(PCA(2)).fit_transform(array)
    assert found.shape == (3, 9, 2)
    objects = StepTransformer(PCA(2)).fit_transform(WALKS)
    for row, walk in zip(found, objects, strict=True):
        np.testing.assert_array_equal(row[: len(walk)], walk)
        assert np.isnan(row[len(walk) :]).all()


def test_sequences_of_one_length_stay_an_array():
    array = RNG.normal(size=(5, 4, 3))
    found = StepTransformer(StandardScaler()).fit_transform(array)
    expected = StandardScaler().fit_transform(array.reshape(20, 3)).reshape(5, 4, 3)
    np.testing.assert_array_equal(found, expected)
    frames = RNG.normal(size=(5, 4, 2, 3))  # a step of any shape
    assert StepTransformer(StandardScaler()).fit_transform(frames).shape == frames.shape
    assert StepTransformer(PCA(4)).fit_transform(frames).shape == (5, 4, 4)


def test_a_missing_sequence_stays_missing():
    found = StepTransformer(StandardScaler()).fit_transform([None, *WALKS, np.zeros((0, 3))])
    assert found[0] is None
    assert found[4] is None
    array = RNG.normal(size=(3, 4, 2))
    array[1] = np.nan
    found = StepTransformer(StandardScaler()).fit_transform(array)
    assert np.isnan(found).all(axis=(1, 2)).tolist() == [False, True, False]


def test_gaps_in_steps_go_to_an_imputer():
    walks = [walk.copy() for walk in WALKS]
    walks[0][1, 2] = np.nan
    found = StepTransformer(SimpleImputer()).fit_transform(walks)
    assert found[0][1, 2] == np.nanmean(np.concatenate(walks)[:, 2])


def test_weights_are_those_of_the_steps():
    weighted = StepTransformer(StandardScaler()).fit(WALKS, sample_weight=[2, 0, 1])
    twice = StepTransformer(StandardScaler()).fit([WALKS[0], WALKS[0], WALKS[2]])
    np.testing.assert_allclose(weighted.transformer_.mean_, twice.transformer_.mean_)
    StepTransformer(PCA(2)).fit(WALKS, sample_weight=[2, 0, 1])  # takes none


def test_in_a_transformer_of_modalities():
    X = Modalities(walk=[*WALKS, None], b=np.ones((4, 1)))
    prep = ModalityTransformer({"walk": StepTransformer(StandardScaler())})
    found = prep.fit_transform(X)
    np.testing.assert_allclose(np.concatenate(list(found["walk"][:3])).mean(axis=0), 0, atol=1e-12)
    again = prep.transform(X[[3, 1]])
    np.testing.assert_array_equal(again["walk"][1], found["walk"][1])
    prep.set_params(walk__transformer__with_mean=False).fit(X)
    assert found["walk"][3] is None or np.isnan(found["walk"][3]).all()
    tables = prep.set_output(transform="pandas").fit_transform(X)
    assert tables["walk"].dtype == object


def test_dense_is_what_comes_out():
    codes = StepTransformer(OneHotEncoder()).fit_transform([[[1.0], [2.0]], [[1.0]]])
    assert codes[0].tolist() == [[1, 0], [0, 1]]


REFUSED = {
    "no transformer": (StandardScaler, WALKS, TypeError, "`transformer` must be an instance"),
    "a table": (StandardScaler(), np.ones((4, 3)), ValueError, "`X` must be sequences"),
    "vectors": (StandardScaler(), [[1.0, 2.0], [3.0, 4.0]], ValueError, "must be sequences"),
    "text": (CountVectorizer(), np.array(["a", "b"], dtype=object), ValueError, "`X`"),
    "nothing": (StandardScaler(), np.full((2, 3, 4), np.nan), ValueError, "missing in every row"),
    "other rows": (
        FunctionTransformer(lambda steps: steps[:-1]),
        WALKS,
        ValueError,
        "one row for each is needed",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused(case):
    transformer, X, error, words = case
    with pytest.raises(error, match=words):
        StepTransformer(transformer).fit_transform(X)


def test_steps_of_another_size_are_refused():
    fitted = StepTransformer(StandardScaler()).fit(WALKS)
    with pytest.raises(ValueError, match="steps of 2 values; in fit they had 3"):
        fitted.transform([walk[:, :2] for walk in WALKS])


@pytest.mark.parametrize("scaler", [StandardScaler(), make_pipeline(StandardScaler(), PCA(1))])
@pytest.mark.parametrize("dtype", ["U1", "M8[D]"])
def test_text_and_dates_are_no_numbers_to_a_scaler(scaler, dtype):
    steps = np.ones((3, 2, 2)).astype(int).astype(dtype)
    for form in (steps, list(steps)):
        with pytest.raises((ValueError, TypeError), match=r"`X`.* must be numeric"):
            StepTransformer(scaler).fit(form)


def test_a_gap_changes_no_other_row():
    array = np.full((3, 9, 3), np.nan)
    for row, walk in zip(array, WALKS, strict=True):
        row[: len(walk)] = walk
    array[0, 1, 2] = np.nan
    found = StepTransformer(SimpleImputer()).fit_transform(array)
    for row, walk in zip(found[1:], WALKS[1:], strict=True):
        np.testing.assert_array_equal(row[: len(walk)], walk)
        assert np.isnan(row[len(walk) :]).all()
    assert np.isfinite(found[0, :4]).all()
    assert np.isnan(found[0, 4:]).all()


@pytest.mark.parametrize("form", ["pandas", "Series", "polars", "tensor"])
def test_sequences_in_other_libraries(form):
    box = np.empty(3, dtype=object)
    box[:] = WALKS
    expected = StepTransformer(StandardScaler()).fit_transform(WALKS)
    lists = [walk.tolist() for walk in WALKS]
    values = {
        "pandas": pd.DataFrame({"walk": box}),
        "Series": pd.Series(box),
        "polars": pl.DataFrame({"walk": lists}),
        "tensor": [torch.tensor(walk, requires_grad=True) for walk in WALKS],
    }
    prep = ModalityTransformer({"walk": StepTransformer(StandardScaler())})
    found = prep.fit_transform({"walk": values[form], "b": np.ones(3)})["walk"]
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted)
    with pytest.raises(ValueError, match="must be sequences"):
        StepTransformer(StandardScaler()).fit(pd.DataFrame({"a": [1.0], "b": [2.0]}))


def test_a_transformer_of_rows_names_the_one_of_steps():
    array = np.full((3, 9, 3), np.nan)
    for row, walk in zip(array, WALKS, strict=True):
        row[: len(walk)] = walk
    for walks in (WALKS, array):
        with pytest.raises(ValueError, match=r"'walk' has .*Use StepTransformer\(StandardScaler"):
            ModalityTransformer({}, remainder=StandardScaler()).fit({"walk": walks})
        chosen = make_preprocessor({"walk": walks, "b": np.ones((3, 1))}).transformers["walk"]
        assert isinstance(chosen, StepTransformer)
