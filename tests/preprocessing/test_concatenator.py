import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sk_mmbalance import Modalities, ModalityConcatenator, ModalityTransformer
from sk_mmbalance.exceptions import MissingModalityError
from tests._checks import assert_all_checks_pass


def test_all_of_scikit_learns_checks_pass():
    assert_all_checks_pass(ModalityConcatenator())


def test_columns_stand_in_the_order_of_sorted_names():
    X = Modalities(voice=np.array([[5.0], [6.0]]), face=np.array([[1.0, 2], [3, 4]]))
    np.testing.assert_array_equal(ModalityConcatenator().fit_transform(X), [[1, 2, 5], [3, 4, 6]])


def test_images_are_flattened_and_named_by_number():
    concat = ModalityConcatenator().fit({"im": np.zeros((3, 1, 2, 2)), "v": np.zeros(3)})
    assert concat.get_feature_names_out().tolist() == [
        "im__0", "im__1", "im__2", "im__3", "v__0"
    ]  # fmt: skip


def test_columns_of_frames_keep_their_names_in_pandas_output():
    X = {"face": pd.DataFrame({"w": [1.0, 2], "h": [3.0, 4]}), "voice": np.zeros((2, 1))}
    table = ModalityConcatenator().set_output(transform="pandas").fit_transform(X)
    assert table.columns.tolist() == ["face__w", "face__h", "voice__0"]


def test_two_level_frame_keeps_index_and_names():
    columns = pd.MultiIndex.from_tuples([("v", "p"), ("f", "h"), ("f", "w")])
    frame = pd.DataFrame(np.arange(6.0).reshape(2, 3), columns=columns, index=["r1", "r2"])
    table = ModalityConcatenator().set_output(transform="pandas").fit_transform(frame)
    assert table.columns.tolist() == ["f__h", "f__w", "v__p"]
    assert table.index.tolist() == ["r1", "r2"]


def test_columns_of_a_flat_table_are_named_by_modality():
    frame = pd.DataFrame(np.ones((2, 3)), columns=["a", "b", "c"])
    concat = ModalityConcatenator(modalities={"z": ["a"], "m": ["c", "b"]}).fit(frame)
    assert concat.get_feature_names_out().tolist() == ["m__c", "m__b", "z__a"]
    given = ModalityConcatenator(modalities={"z": [0], "m": [2, 1]}).fit(frame.to_numpy())
    assert given.get_feature_names_out(["a", "b", "c"]).tolist() == ["m__c", "m__b", "z__a"]


def test_wrong_input_features_are_refused():
    concat = ModalityConcatenator().fit(np.ones((2, 3)))
    with pytest.raises(ValueError, match="input_features should have length equal"):
        concat.get_feature_names_out(["a"])
    frame = pd.DataFrame(np.ones((2, 2)), columns=["a", "b"])
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        ModalityConcatenator().fit(frame).get_feature_names_out(["a", "x"])


def test_one_sparse_modality_makes_the_result_csr():
    X = {"text": sparse.coo_array(np.eye(3)), "age": np.ones((3, 1))}
    Xt = ModalityConcatenator().fit_transform(X)
    assert Xt.format == "csr"
    np.testing.assert_array_equal(Xt.toarray(), np.column_stack([np.ones(3), np.eye(3)]))


def test_text_and_numbers_feed_a_model():
    X = Modalities(age=np.array([20.0, 70, 30, 80]), note=["dog", "cat", "dog", "cat"])
    model = make_pipeline(
        ModalityTransformer({"note": CountVectorizer()}),
        ModalityConcatenator(),
        LogisticRegression(),
    )
    assert model.fit(X, [0, 1, 0, 1]).predict(X).tolist() == [0, 1, 0, 1]


def test_missing_rows_are_nan_with_mask_and_an_error_without():
    X = {"a": np.array([[1.0], [np.nan]]), "b": np.ones((2, 1))}
    with pytest.raises(MissingModalityError, match="missing='mask'"):
        ModalityConcatenator().fit(X)
    Xt = ModalityConcatenator(missing="mask").fit_transform(X)
    np.testing.assert_array_equal(Xt, [[1, 1], [np.nan, 1]])


def test_nan_feeds_a_model_that_takes_it():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    X = {"a": y[:, None] + rng.normal(0, 0.1, (60, 2)), "b": rng.normal(size=(60, 1))}
    X["a"][::5] = np.nan
    model = make_pipeline(ModalityConcatenator(missing="mask"), HistGradientBoostingClassifier())
    assert model.fit(X, y).score(X, y) > 0.8


def test_float32_is_kept():
    X = {"a": np.ones((2, 2), dtype=np.float32), "b": np.ones((2, 1), dtype=np.float32)}
    assert ModalityConcatenator().fit_transform(X).dtype == np.float32
