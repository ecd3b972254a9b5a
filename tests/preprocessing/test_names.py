"""Which column is which after transformers of modalities."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sk_mmbalance import Modalities, ModalityConcatenator, ModalitySelector, ModalityTransformer

RNG = np.random.default_rng(0)
A, B, Y = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 2)), np.arange(20) % 2
TABLE = pd.concat({"a": pd.DataFrame(A, columns=list("pqr")), "b": pd.DataFrame(B)}, axis=1)
NAMED = {"a": TABLE["a"], "b": B}


def test_names_go_through_a_pipeline_to_the_coefficients():
    X = {"a": TABLE["a"], "b": pd.DataFrame(B, columns=["s", "t"])}
    model = make_pipeline(
        ModalityTransformer({"a": StandardScaler(), "b": PCA(1)}),
        ModalityConcatenator(),
        LogisticRegression(),
    ).fit(X, Y)
    expected = ["a__p", "a__q", "a__r", "b__pca0"]
    for step in (model[0], model[1], model[:-1]):
        assert step.get_feature_names_out().tolist() == expected
    assert model[-1].coef_.shape == (1, len(expected))
    assert model[1].feature_names_in_.tolist() == expected
    assert model.predict(X).shape == (20,)


@pytest.mark.parametrize("X", [{"a": A, "b": B}, Modalities(a=A, b=B)])
def test_columns_without_names_are_numbered(X):
    prep = ModalityTransformer({"a": StandardScaler()}).fit(X)
    assert prep.get_feature_names_out().tolist() == ["a__0", "a__1", "a__2", "b__0", "b__1"]
    assert prep.transform(X).feature_names == {}


def test_dropped_modalities_have_no_names_and_odd_transformers_numbers():
    halve = FunctionTransformer(lambda values: values[:, :2])
    prep = ModalityTransformer({"a": halve, "b": "drop"}).fit({"a": A, "b": B})
    assert prep.get_feature_names_out().tolist() == ["a__0", "a__1"]
    chain = make_pipeline(halve, StandardScaler())
    prep = ModalityTransformer({"a": chain}, remainder="drop").fit({"a": A, "b": B})
    assert len(prep.get_feature_names_out()) == 2


def test_words_and_pixels_have_names():
    X = {"note": ["a dog", "a cat"], "scan": np.arange(8.0).reshape(2, 2, 2)}
    prep = ModalityTransformer({"note": CountVectorizer(), "scan": StandardScaler()})
    result = prep.fit_transform(X)
    assert prep.get_feature_names_out().tolist() == [
        "note__cat", "note__dog", "scan__0", "scan__1", "scan__2", "scan__3"
    ]  # fmt: skip
    assert result.feature_names == {"note": ("cat", "dog")}
    assert result["scan"].shape == (2, 2, 2)


def test_names_of_a_flat_table_are_compared_with_those_given():
    flat = pd.DataFrame(A, columns=list("pqr"))
    blocks = {"a": ["p", "q"], "b": ["r"]}
    prep = ModalityTransformer({"a": StandardScaler()}, modalities=blocks).fit(flat)
    expected = ["a__p", "a__q", "b__r"]
    assert prep.get_feature_names_out().tolist() == expected
    assert prep.get_feature_names_out(list("pqr")).tolist() == expected
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        prep.get_feature_names_out(list("rqp"))
    unnamed = ModalityTransformer({}, modalities={"a": [0, 1], "b": [2]}).fit(A)
    assert unnamed.get_feature_names_out(list("pqr")).tolist() == expected


def test_selector_names_what_it_keeps():
    assert ModalitySelector(["a"]).fit(NAMED).get_feature_names_out().tolist() == [
        "a__p", "a__q", "a__r"
    ]  # fmt: skip
    assert ModalitySelector("a").fit(NAMED).get_feature_names_out().tolist() == list("pqr")
    assert ModalitySelector("b").fit(NAMED).get_feature_names_out().tolist() == ["0", "1"]
    chain = make_pipeline(ModalitySelector("a"), StandardScaler()).fit(NAMED)
    assert chain.get_feature_names_out().tolist() == list("pqr")


def test_names_reach_the_next_step_of_a_batch_that_lacks_a_modality():
    prep = ModalityTransformer({"a": StandardScaler()}).fit(NAMED)
    assert prep.transform(NAMED).feature_names == {"a": ("p", "q", "r")}
    assert prep.transform({"b": B}).feature_names == {}


def test_reordered_columns_do_not_reach_an_inner_transformer():
    prep = ModalityTransformer({"a": SimpleImputer()}).fit(NAMED)
    with pytest.raises(ValueError, match="'a' has features"):
        prep.transform({"a": TABLE["a"][["r", "q", "p"]], "b": B})


@pytest.mark.parametrize(
    "table", [pd.DataFrame({"emb": list(A)}), pl.DataFrame({"emb": A})], ids=["pandas", "polars"]
)
def test_column_of_vectors_reaches_an_inner_transformer_as_a_table(table):
    X = {"v": table}
    prep = ModalityTransformer({"v": StandardScaler()})
    np.testing.assert_allclose(prep.fit_transform(X)["v"].mean(axis=0), 0, atol=1e-12)
    assert prep.get_feature_names_out().tolist() == ["v__emb_0", "v__emb_1", "v__emb_2"]
