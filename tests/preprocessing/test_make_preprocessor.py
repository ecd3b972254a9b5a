"""`make_preprocessor` and the encoders it uses."""

import datetime
import re
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sk_mmbalance import (
    LateFusionClassifier,
    Modalities,
    ModalityConcatenator,
    make_preprocessor,
)
from sk_mmbalance.exceptions import MissingDependencyError
from sk_mmbalance.preprocessing import DateEncoder, TextEncoder

N = 60
NUMBERS = ["SimpleImputer", "StandardScaler"]
DATES = ["DateEncoder", *NUMBERS]


def clinic() -> pd.DataFrame:
    """Numbers, two kinds of categories, dates and text, each with gaps; a row without anything."""
    rng = np.random.default_rng(0)
    words = np.array(["pain", "cough", "fever", "calm", "rest", "sleep", "walk", "fall"])
    table = pd.DataFrame(
        {
            "age": rng.integers(20, 90, N).astype(float),
            "smokes": rng.random(N) < 0.5,
            "ward": np.array(["A", "B", "C"])[np.arange(N) % 3],
            "seen": pd.Timestamp("2023-01-01") + pd.to_timedelta(np.arange(N), unit="D"),
            "born": ["1950-02-01"] * N,
            "note": [f"{' '.join(rng.choice(words, 4))} {i}" for i in range(N)],
            "empty": np.nan,
        },
        index=[f"row {i}" for i in range(N)],
    ).astype({"smokes": object})
    for j in range(5):
        table.iloc[7 * j + 1, j] = None
    table.iloc[11] = None
    return table


def target() -> np.ndarray:
    return np.arange(N) % 2


def test_every_kind_of_column_gets_its_transformer():
    chosen = make_preprocessor({"clinic": clinic()}).transformers["clinic"]
    assert isinstance(chosen, ColumnTransformer)
    kinds = {name: columns for name, _, columns in chosen.transformers}
    assert kinds == {
        "numbers": ["age"],
        "categories": ["smokes", "ward"],
        "dates": ["seen", "born"],
        "text note": "note",
    }


def test_numbers_come_out_and_the_row_without_anything_stays_missing():
    result = make_preprocessor({"clinic": clinic()}).fit_transform({"clinic": clinic()})["clinic"]
    assert result.dtype == np.float64
    assert np.flatnonzero(np.isnan(result).all(axis=1)).tolist() == [11]
    assert not np.isnan(np.delete(result, 11, axis=0)).any()


def test_names_of_columns_come_through():
    X = Modalities(clinic=clinic(), face=np.ones((N, 3)))
    prepare = make_preprocessor(X).fit(X)
    names = prepare.get_feature_names_out().tolist()
    assert "clinic__age" in names
    assert "clinic__ward_B" in names
    assert "clinic__seen_days" in names
    assert names[-1] == "face__2"
    assert prepare.transform(X).feature_names["clinic"][0] == "age"
    table = make_pipeline(make_preprocessor(X), ModalityConcatenator(missing="mask")).fit(X)
    assert table.get_feature_names_out().tolist() == names


def test_row_labels_survive_where_tables_are_asked_for():
    X = Modalities(clinic=clinic()[["age"]].assign(bmi=1.0))
    prepare = make_preprocessor(X).set_output(transform="pandas")
    assert prepare.fit_transform(X)["clinic"].index.tolist() == X.index.tolist()


@pytest.mark.parametrize(
    ("value", "steps"),
    [
        (np.zeros((4, 2)), NUMBERS),
        (np.zeros(4, dtype=int), NUMBERS),
        (np.zeros((4, 1, 2, 2)), "StandardScaler"),
        (csr_array(np.eye(4)), "MaxAbsScaler"),
        (["a", "b", "a", "b"], "OneHotEncoder"),
        (["a dog", "a cat", "no dog", "two"], "TextEncoder"),
        (np.array(["2024-01-01"] * 4, "M8[D]"), DATES),
        ([np.zeros((2, 1)), np.zeros((3, 1))] * 2, "StepTransformer"),
        (pd.DataFrame({"a": ["x", "y"] * 2}), "OneHotEncoder"),
        (pl.DataFrame({"a": ["x", "y"] * 2}), "OneHotEncoder"),
        (pd.DataFrame({"a": [1, 2, None, 4], "b": 1.5}), NUMBERS),
        (pd.DataFrame({"a": [True, False] * 2}), "OneHotEncoder"),
        (pd.DataFrame({"a": pd.array([1, None, 2, 3], "Int64")}), NUMBERS),
        (pd.DataFrame({"a": pd.array([True, None, True, False], "boolean")}), "OneHotEncoder"),
        (pd.DataFrame({"a": pd.Categorical(list("abca"))}), "OneHotEncoder"),
        (pd.DataFrame({"a": [datetime.date(2024, 1, 1)] * 4}), DATES),
        (pd.DataFrame({"a": pd.Series([1, 2, 3, None], dtype=object)}), NUMBERS),
        (pd.DataFrame({"a": [None] * 4}), "drop"),
    ],
)  # fmt: skip
def test_one_kind_gets_one_transformer_that_runs(value, steps):
    X = {"it": value, "other": np.ones((4, 1))}
    prepare = make_preprocessor(X)
    chosen = prepare.transformers["it"]
    if isinstance(steps, list):
        assert [type(step).__name__ for _, step in chosen.steps] == steps
    else:
        assert (chosen if isinstance(chosen, str) else type(chosen).__name__) == steps
    result = prepare.fit_transform(X)
    assert ("it" in result) == (steps != "drop")
    if steps not in ("drop", "passthrough", "StepTransformer"):
        assert result["it"].dtype.kind == "f"


def test_strings_with_many_kinds_are_text():
    many = pd.DataFrame({"code": [f"c{i % 41}" for i in range(200)]})
    few = pd.DataFrame({"code": [f"c{i % 40}" for i in range(200)]})
    assert isinstance(make_preprocessor({"x": many}).transformers["x"], TextEncoder)
    assert not isinstance(make_preprocessor({"x": few}).transformers["x"], TextEncoder)


@pytest.mark.parametrize(
    "values", [[1, "a", 2, "b"], [pd.Timedelta(1)] * 4, [1 + 2j] * 4, [{}] * 4]
)
def test_columns_without_a_default_are_named(values):
    table = pd.DataFrame({"odd": pd.Series(values, dtype=object)})
    with pytest.raises(TypeError, match="modality 'x' has column 'odd'"):
        make_preprocessor({"x": table})


def test_flat_table_keeps_its_columns():
    frame = clinic().drop(index="row 11")
    prepare = make_preprocessor(frame, modalities={"person": ["age", "ward"], "note": ["note"]})
    assert prepare.fit_transform(frame).names == ("note", "person")


def test_nothing_is_learnt_from_what_it_looks_at():
    X = Modalities(clinic=clinic())
    prepare = make_preprocessor(X)
    assert not hasattr(prepare, "transformers_")
    first = make_preprocessor(X[:30])
    assert repr(clone(first)) == repr(first)
    ages = prepare.fit(X[:30]).transformers_["clinic"].named_transformers_["numbers"]
    assert ages[0].statistics_[0] == pytest.approx(clinic()["age"][:30].mean())


def test_parts_are_seen_and_edited():
    prepare = make_preprocessor({"clinic": clinic()})
    prepare.set_params(clinic__numbers__simpleimputer__strategy="median")
    assert prepare.transformers["clinic"].transformers[0][1][0].strategy == "median"
    page = prepare._repr_html_()
    assert "OneHotEncoder" in page
    assert "clinic" in page


def test_whole_pipeline_is_cross_validated_on_mixed_columns():
    X, y = Modalities(clinic=clinic(), face=np.random.default_rng(0).normal(size=(N, 3))), target()
    face = X["face"].copy()
    face[:, 0] += 3 * y
    X = Modalities(clinic=X["clinic"], face=face)
    model = make_pipeline(
        make_preprocessor(X), LateFusionClassifier(LogisticRegression(), missing="mask")
    )
    assert cross_val_score(model, X, y, cv=3, error_score="raise").mean() > 0.7


def test_bad_words_are_refused():
    with pytest.raises(ValueError, match="`tables` must be 'sklearn' or 'skrub'"):
        make_preprocessor({"x": clinic()}, tables="polars")
    with pytest.raises(ValueError, match="no value in any modality"):
        make_preprocessor({"x": pd.DataFrame({"a": [None, None]})})


def test_skrub_is_named_where_it_is_absent_and_runs_where_it_is_there():
    try:
        import skrub  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependencyError, match=r"sk_mmbalance\[frames\]"):
            make_preprocessor({"clinic": clinic()}, tables="skrub")
        return
    prepare = make_preprocessor({"clinic": clinic()}, tables="skrub")
    result = prepare.fit_transform({"clinic": clinic()})["clinic"]
    assert np.asarray(result).dtype.kind == "f"


# -- TextEncoder -----------------------------------------------------------------------------------


def test_text_is_tfidf_and_svd():
    texts = clinic()["note"].dropna().tolist()
    encoder = TextEncoder(n_components=5)
    result = encoder.fit_transform(texts)
    counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform(texts)
    expected = TruncatedSVD(5, random_state=0).fit_transform(counts)
    np.testing.assert_allclose(result, expected)
    np.testing.assert_allclose(encoder.transform(texts), expected, atol=1e-10)
    assert encoder.get_feature_names_out(["note"]).tolist() == [f"note_{j}" for j in range(5)]


def test_few_words_give_few_columns():
    encoder = TextEncoder(ngram_range=(1, 1)).fit(["dog cat", "dog", None])
    assert encoder.get_feature_names_out().tolist() == ["text_cat", "text_dog"]
    assert encoder.transform([None, "bird"]).tolist() == [[0, 0], [0, 0]]


def test_no_words_at_all_give_a_constant():
    encoder = TextEncoder().fit([None, "", "?"])
    assert encoder.transform(["dog"]).tolist() == [[0]]
    assert len(encoder.get_feature_names_out()) == 1


def test_text_encoder_says_what_it_takes():
    with pytest.raises(ValueError, match="one column of texts"):
        TextEncoder().fit([["a", "b"]])
    with pytest.raises(ValueError, match="`n_components` must be at least 1"):
        TextEncoder(0).fit(["a"])


# -- DateEncoder -----------------------------------------------------------------------------------


def test_dates_become_days_year_and_circles():
    dates = pd.DataFrame({"d": pd.to_datetime(["1970-01-02 00:00", "2024-07-01 06:00", None])})
    encoder = DateEncoder().fit(dates)
    result = pd.DataFrame(encoder.transform(dates), columns=encoder.get_feature_names_out())
    assert result["d_days"].tolist()[:2] == [1.0, 19905.25]
    assert result["d_year"].tolist()[:2] == [1970, 2024]
    assert result["d_hour_sin"].tolist()[:2] == pytest.approx([0, 1])
    assert result["d_season_sin"][0] == pytest.approx(np.sin(2 * np.pi / 365.25))
    assert result["d_weekday_cos"][0] == pytest.approx(np.cos(2 * np.pi * 4 / 7))  # a Friday
    assert result.iloc[2].isna().all()


def test_dates_of_every_form_are_the_same():
    texts = ["2024-01-31", "2023-12-01"]
    forms = [
        pd.DataFrame({"d": texts}),
        pd.DataFrame({"d": pd.to_datetime(texts).tz_localize("UTC")}),
        pl.DataFrame({"d": [datetime.date.fromisoformat(text) for text in texts]}),
        np.array(texts, "M8[s]"),
        [datetime.datetime.fromisoformat(text) for text in texts],
    ]
    results = [DateEncoder().fit(form).transform(form) for form in forms]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    assert results[0].shape == (2, 6)


def test_what_is_no_date_is_named():
    with pytest.raises(ValueError, match="column 'd' holds what is no date"):
        DateEncoder().fit(pd.DataFrame({"d": ["yesterday"]}))
    with pytest.raises(ValueError, match="2 columns of dates, but 1 were seen"):
        DateEncoder().fit(pd.DataFrame({"d": ["2024-01-01"]})).transform(
            pd.DataFrame({"d": ["2024-01-01"], "e": ["2024-01-01"]})
        )


def test_tensors_are_prepared_as_arrays_are():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).integers(0, 9, (12, 2)).astype(np.float32)
    plain = make_preprocessor({"ear": values}).fit_transform({"ear": values})
    for tensor in (
        torch.tensor(values, requires_grad=True),
        torch.tensor(values, dtype=torch.bfloat16),
    ):
        found = make_preprocessor({"ear": tensor}).fit_transform({"ear": tensor})
        np.testing.assert_array_equal(found["ear"], plain["ear"])


# -- what is said of columns ----------------------------------------------------------------------


def _told(X, capsys, **more):
    make_preprocessor(X, **more)
    return capsys.readouterr().err


def test_what_became_of_columns_that_are_no_plain_numbers_is_said(capsys):
    n = 60
    table = pd.DataFrame(
        {
            "x": np.linspace(0, 1, n),
            "ward": np.array(["A", "B"])[np.arange(n) % 2],
            "seen": pd.date_range("2024-01-01", periods=n),
            "note": [f"slept {i} hours and walked" for i in range(n)],
            "site": "Ulm",
            "unit": 3.0,
        }
    )
    X = Modalities(clinic=table, word=np.array(["one two", "three"] * (n // 2), dtype=object))
    said = _told(X, capsys)
    assert said == (
        "note: columns taken otherwise than as numbers: ward, word as categories (a column "
        "for each kind); seen as dates (their parts, as numbers); note as text (TF-IDF); site, "
        "unit as constant (says nothing)\n"
    )
    assert _told(X, capsys, verbose=0) == ""
    assert _told({"plain": table[["x"]], "array": np.ones((n, 2))}, capsys) == ""


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("code", [f"R{i}" for i in range(60)], "another value in code"),
        ("record_id", 7 * np.arange(60) ** 2, "another value in record_id"),
        ("x", np.arange(60)[::-1] + 4, "another value in x"),
        ("x", 7 * np.arange(60) ** 2, ""),
        ("id", np.linspace(0, 1, 60), ""),
        ("who", [f"P{i % 45}" for i in range(60)], r"belong to: who \(45 values\)"),
        ("subject", np.arange(60) // 6, r"belong to: subject \(10 values\)"),
        ("age", np.arange(60) // 6, ""),
    ],
)
def test_columns_that_name_rows_or_groups_are_told_from_those_that_measure(
    capsys, column, values, told
):
    said = _told(Modalities(a=pd.DataFrame({column: values})), capsys)
    assert re.search(told, said)
    if not told:
        assert "another value" not in said
        assert "belong to" not in said


def test_an_array_of_words_is_prepared_as_a_table():
    words = np.array([["a", "x"], ["b", "y"], ["a", "y"], [None, "x"]] * 5, dtype=object)
    X = Modalities(words=words)
    table = Modalities(words=pd.DataFrame(words))
    found, expected = (make_preprocessor(one).fit_transform(one)["words"] for one in (X, table))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    assert found.shape == (20, 5)  # two words in either column, and none in the first


def test_a_column_of_texts_is_a_list_of_them():
    texts = ["dog cat", "dog", "cat bird"]
    column = np.array(texts, dtype=object)[:, None]
    np.testing.assert_array_equal(
        TextEncoder(2).fit_transform(column), TextEncoder(2).fit_transform(texts)
    )
    with pytest.raises(ValueError, match="ngram_range"):
        TextEncoder(ngram_range=(2, 1)).fit(texts)


def test_skrub_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skrub", None)  # as if it were not there
    with pytest.raises(MissingDependencyError, match=r"needs skrub: pip install"):
        make_preprocessor(Modalities(a=np.ones((3, 1))), tables="skrub")


def test_records_are_refused_by_name():
    records = np.zeros(3, dtype=[("a", "f8"), ("b", "i4")])
    with pytest.raises(TypeError, match=r"`X` modality 'ear' has records .* Pass a DataFrame"):
        make_preprocessor({"ear": records, "eye": np.zeros((3, 2))})
