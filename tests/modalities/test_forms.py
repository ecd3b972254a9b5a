"""What the same values mean does not depend on the form that they come in."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from sk_mmbalance import LateFusionClassifier, Modalities
from sk_mmbalance.modalities import check_modalities, in_row_order, name_modalities, take_rows

NAMES = ["p", "q", "r"]
ROWS = np.arange(1, 19).reshape(6, 3) % 7
NULLABLE = {"float32": "Float32", "float64": "Float64", "bool": "boolean"}


def nullable_name(dtype):
    if dtype in NULLABLE:
        return NULLABLE[dtype]
    return "UInt" + dtype[4:] if dtype.startswith("u") else "Int" + dtype[3:]


def columns(A):
    return {name: A[:, j] for j, name in enumerate(NAMES)}


# -- numbers -------------------------------------------------------------------------------------

FORMS = {
    "columns in a row": np.asfortranarray,
    "every second value": lambda A: np.repeat(A, 2, axis=1)[:, ::2],
    "other byte order": lambda A: A.astype(A.dtype.newbyteorder(">")),
    "masked, nothing hidden": np.ma.masked_array,
    "pandas": lambda A: pd.DataFrame(A, columns=NAMES),
    "pandas, nullable": lambda A: pd.DataFrame(A, columns=NAMES).astype(
        nullable_name(A.dtype.name)
    ),
    "pandas, Arrow": lambda A: pa.table(columns(A)).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda A: pl.DataFrame(columns(A)),
    "pyarrow": lambda A: pa.table(columns(A)),
    "pyarrow batch": lambda A: pa.RecordBatch.from_pydict(columns(A)),
    "sparse": sparse.csc_array,
    "sparse columns": lambda A: pd.DataFrame(A, columns=NAMES).astype(
        pd.SparseDtype(A.dtype, A.dtype.type(0))
    ),
    "a column of vectors": lambda A: pd.DataFrame({"v": list(A)}),
    "an array of vectors": lambda A: pd.Series(list(A)).to_numpy(),
    "polars, vectors": lambda A: pl.DataFrame({"v": pl.Series(A)}),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "int64", "int32", "int16", "uint8", "uint16", "bool"]
)
def test_every_form_gives_the_bits_and_the_precision_of_the_array(form, dtype):
    A = ROWS.astype(dtype)
    expected = check_modalities({"a": A}).arrays["a"]
    read = check_modalities({"a": form(A)}, accept_sparse=True).dense().arrays["a"]
    assert read.dtype == expected.dtype
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("name", ["pandas", "pandas, nullable", "polars", "pyarrow", "sparse"])
def test_flat_tables_give_the_bits_of_the_flat_array(name):
    A = ROWS.astype("uint8")
    blocks = {"a": slice(0, 2), "b": [2]}
    for modalities in (None, blocks):
        expected = check_modalities(A, modalities=modalities)
        read = check_modalities(FORMS[name](A), modalities=modalities, accept_sparse=True).dense()
        for m in expected.names:
            assert read.arrays[m].dtype == expected.arrays[m].dtype == np.float32
            np.testing.assert_array_equal(read.arrays[m], expected.arrays[m])


def test_half_precision_is_read_alike():
    A = ROWS.astype("float16")
    for value in (A, pd.DataFrame(A), pa.table(columns(A)), A.astype(">f2")):
        read = check_modalities({"a": value}).arrays["a"]
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, A)


def test_columns_of_several_types_have_the_precision_of_their_common_type():
    small = pd.DataFrame({"a": np.ones(2, "uint8"), "b": np.ones(2, "float32")})
    assert check_modalities({"m": small}).arrays["m"].dtype == np.float32
    wide = small.assign(c=np.array([1, 2**30]))
    assert check_modalities({"m": wide}).arrays["m"].dtype == np.float64
    mixed = pl.DataFrame({"a": [True, None], "b": [1.5, None], "c": [decimal.Decimal("0.5"), None]})
    read = check_modalities({"m": mixed, "n": np.ones(2)}, missing="mask").arrays["m"]
    np.testing.assert_array_equal(read, [[1, 1.5, 0.5], [np.nan] * 3])


def test_tensors_of_any_kind_are_read_or_refused_by_name():
    torch = pytest.importorskip("torch")
    exact = torch.tensor([[1.5, -2.0], [0.0, 3.0]])
    for tensor in (
        exact.to(torch.bfloat16),
        exact.half(),
        exact.clone().requires_grad_(),
        torch.view_as_complex(torch.stack([exact, -exact], -1)).conj().imag,  # a negative view
    ):
        for X in ({"a": tensor}, tensor):
            read = check_modalities(X)
            assert read.arrays[read.names[0]].dtype == np.float32
            np.testing.assert_array_equal(read.arrays[read.names[0]], exact)
    for tensor, message in (
        (exact.to_sparse(), "sparse torch tensor"),
        (exact.to("meta"), "cannot be read"),
    ):
        with pytest.raises(TypeError, match=f"`X` modality 'a' is a .*{message}"):
            check_modalities({"a": tensor})
        with pytest.raises(TypeError, match=f"`X` is a .*{message}"):
            check_modalities(tensor)
    with pytest.raises(ValueError, match=r"'a'.*complex"):
        check_modalities({"a": exact.to(torch.complex64)})


def test_scaling_gives_the_same_bits_for_every_form():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from sk_mmbalance import ModalityTransformer

    rng = np.random.default_rng(0)
    A, y = rng.normal(size=(64, 3)), np.arange(64) % 2
    model = make_pipeline(
        ModalityTransformer({}, remainder=StandardScaler()), LateFusionClassifier()
    )
    expected = model.fit({"a": A}, y).predict_proba({"a": A})
    two_levels = pd.concat({"a": pd.DataFrame(A, columns=NAMES)}, axis=1)
    forms = [two_levels, *({"a": FORMS[f](A)} for f in ("columns in a row", "polars", "pyarrow"))]
    for X in forms:
        np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), expected)


def test_numbers_in_row_order_keep_names_rows_and_text():
    frame = pd.DataFrame(ROWS, columns=NAMES, index=range(10, 16))
    ordered = in_row_order(frame)
    assert ordered.to_numpy().flags.c_contiguous
    pd.testing.assert_frame_equal(ordered, frame)
    pd.testing.assert_frame_equal(
        in_row_order(pl.DataFrame(columns(ROWS))), frame.reset_index(drop=True)
    )
    text = pd.DataFrame({"t": ["a", "b"]})
    assert in_row_order(text) is text


# -- missing -------------------------------------------------------------------------------------

HOLES = {
    "masked": lambda A: np.ma.masked_array(A, mask=np.arange(6)[:, None] == [2, 2, 2]),
    "nullable": lambda A: pd.DataFrame(A, columns=NAMES).astype("Int16").where(_there(A)),
    "polars": lambda A: pl.DataFrame({n: _with_none(c) for n, c in columns(A).items()}),
    "pyarrow": lambda A: pa.table({n: _with_none(c) for n, c in columns(A).items()}),
    "vectors": lambda A: [None if i == 2 else row for i, row in enumerate(A)],
}


def _there(A):
    return np.broadcast_to(np.arange(6)[:, None] != 2, A.shape)


def _with_none(column):
    return [None if i == 2 else int(value) for i, value in enumerate(column)]


@pytest.mark.parametrize("form", HOLES.values(), ids=HOLES.keys())
def test_empty_cells_of_any_form_are_missing_never_numbers(form):
    read = check_modalities({"a": form(ROWS), "b": np.ones(6)}, missing="mask")
    assert read.present_in("a").tolist() == [True, True, False, True, True, True]
    assert np.isnan(read.arrays["a"][2]).all()
    np.testing.assert_array_equal(np.delete(read.arrays["a"], 2, 0), np.delete(ROWS, 2, 0))


def test_values_under_a_mask_are_hidden_from_transformers_too():
    hidden = np.ma.masked_array([[1, 9], [3, 4]], mask=[[0, 1], [0, 0]])
    np.testing.assert_array_equal(Modalities(a=hidden)["a"], [[1, np.nan], [3, 4]])
    words = np.ma.masked_array(np.array(["x", "y"]), mask=[1, 0])
    assert Modalities(a=words)["a"].tolist() == [None, "y"]
    flat, _ = name_modalities(hidden)
    assert np.isnan(flat["X"][0, 1])


# -- no numbers ----------------------------------------------------------------------------------

DAY = datetime.date(2020, 1, 1)
NO_NUMBERS = {
    "dates": pd.date_range("2020-01-01", periods=2),
    "dates with zone": pd.date_range("2020-01-01", periods=2, tz="UTC"),
    "durations": pd.timedelta_range("1D", periods=2),
    "periods": pd.period_range("2020", periods=2, freq="Y"),
    "date objects": pd.Series([DAY, None], dtype=object),
    "not a time": pd.Series([pd.NaT, 1.0], dtype=object),
    "Arrow dates": pd.array([DAY, None], dtype=pd.ArrowDtype(pa.date32())),
    "polars dates": pl.Series([DAY, None]),
    "polars times": pl.Series([datetime.time(1), None]),
    "pyarrow dates": pa.chunked_array([[DAY, None]]),
    "words": pd.array(["a", "b"], dtype="string"),
    "figures as text": pd.Series(["1", "2"], dtype=object),
    "polars words": pl.Series(["a", None]),
    "bytes": pl.Series([b"a", b"b"]),
    "categories": pd.Categorical([1, 2]),
    "polars categories": pl.Series(["a", "b"], dtype=pl.Categorical),
    "pyarrow categories": pa.chunked_array([["a", "b"]]).dictionary_encode(),
    "records": pl.Series([{"x": 1}, {"x": 2}]),
    "intervals": pd.interval_range(0, 2),
    "complex": pd.Series([1j, 2j]),
}


def table_with(column):
    if isinstance(column, pl.Series):
        return pl.DataFrame({"age": [1.0, 2.0], "visit": column})
    if isinstance(column, pa.ChunkedArray):
        return pa.table({"age": pa.array([1.0, 2.0]), "visit": column})
    return pd.DataFrame({"age": [1.0, 2.0], "visit": column})


@pytest.mark.parametrize("column", NO_NUMBERS.values(), ids=NO_NUMBERS.keys())
def test_what_is_no_number_is_refused_by_the_name_of_its_column(column):
    table = table_with(column)
    blocks = {"lab": ["age", "visit"]}
    for X, modalities in (({"lab": table}, None), (table, blocks), (table, None)):
        with pytest.raises((TypeError, ValueError), match=r"`X` modality '(lab|X)'.*'visit'"):
            check_modalities(X, modalities=modalities, missing="mask")
    spec = check_modalities({"lab": np.ones((2, 2))}).spec
    with pytest.raises((TypeError, ValueError), match="'visit'"):
        check_modalities({"lab": table}, spec=spec)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.array([["2020-01-01", "NaT"]] * 2, "M8[D]"), TypeError, r"datetime64\[D\].*days since"),
        (np.array([[1, 2]] * 2, "m8[s]"), TypeError, r"timedelta64\[s\]"),
        (np.array([["1", "2"]] * 2), ValueError, "<U1.*OneHotEncoder"),
        (np.array([[1, "2"]] * 2, object), ValueError, "column 1 holds text"),
        (np.array([[1, DAY]] * 2, object), TypeError, "column 1 holds dates"),
        (pd.Categorical([1, 2]), ValueError, "categories"),
        (np.zeros(2, [("x", "f8")]), TypeError, "records"),
    ],
)
def test_arrays_of_no_numbers_are_refused(array, error, message):
    with pytest.raises(error, match=f"`X` modality 'a' must be numeric.*{message}"):
        check_modalities({"a": array})


# -- names ---------------------------------------------------------------------------------------

TABLES = {
    "pandas": lambda A, names: pd.DataFrame(A, columns=names),
    "numbers for names": lambda A, names: pd.DataFrame(A, columns=[NAMES.index(n) for n in names]),
    "polars": lambda A, names: pl.DataFrame(A, schema=names),
    "pyarrow": lambda A, names: pa.table({n: A[:, j] for j, n in enumerate(names)}),
    "pyarrow batch": lambda A, names: pa.RecordBatch.from_pydict(
        {n: A[:, j] for j, n in enumerate(names)}
    ),
}
BACK = NAMES[::-1]


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES.keys())
def test_columns_in_another_order_than_in_fit_are_refused_in_every_form(make):
    A = ROWS.astype(float)
    fitted = check_modalities({"a": make(A, NAMES)}).spec
    check_modalities({"a": make(A, NAMES)}, spec=fitted)
    with pytest.raises(ValueError, match=r"'a' has features .* but fit saw .*same order"):
        check_modalities({"a": make(A, BACK)}, spec=fitted)
    check_modalities({"a": A}, spec=fitted)  # an array has positions only
    flat = check_modalities(make(A, NAMES)).spec
    with pytest.raises(ValueError, match="'X' has features"):
        check_modalities(make(A, BACK), spec=flat)
    raw = name_modalities({"a": make(A, NAMES)})[1]
    with pytest.raises(ValueError, match="'a' has features"):
        name_modalities({"a": make(A, BACK)}, spec=raw)


@pytest.mark.parametrize("features", [NAMES, [0, 1, 2]], ids=["names", "numbers"])
def test_second_level_in_another_order_is_refused(features):
    columns = pd.MultiIndex.from_product([["a"], features])
    frame = pd.DataFrame(ROWS, columns=columns)
    spec = check_modalities(frame).spec
    with pytest.raises(ValueError, match="'a' has features"):
        check_modalities(frame[columns[::-1]], spec=spec)
    with pytest.raises(ValueError, match="'a' has features"):
        check_modalities({"a": frame["a"].iloc[:, ::-1]}, spec=spec)


@pytest.mark.parametrize("library", [pl.DataFrame, pa.table])
@pytest.mark.parametrize(
    "blocks",
    [{"a": ["p", "q"], "b": ["r"]}, {"a": "p|q", "b": "^r"}, {"a": slice("p", "q"), "b": [2]}],
    ids=["names", "patterns", "slices"],
)
def test_names_of_any_table_serve_in_modalities(library, blocks):
    model = LateFusionClassifier(modalities=blocks)
    y = np.array([0, 1] * 3)
    frame = pd.DataFrame(ROWS, columns=NAMES)
    expected = model.fit(frame, y).predict_proba(frame)
    table = library(columns(ROWS))
    np.testing.assert_array_equal(model.fit(table, y).predict_proba(table), expected)
    assert model.feature_names_in_.tolist() == NAMES
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table.select(BACK))


def test_columns_of_the_same_name_are_refused_in_a_flat_table():
    with pytest.raises(ValueError, match=r"`X` has columns of the same name: \['p'\]"):
        check_modalities(pd.DataFrame(ROWS, columns=["p", "p", "q"]))
    with pytest.raises(TypeError, match="`X` has column names of types"):
        check_modalities(pd.DataFrame(ROWS, columns=["p", 1, "q"]))


@pytest.mark.parametrize("library", [pl.DataFrame, pa.table, pd.DataFrame])
def test_rows_of_any_table_are_taken(library):
    X = Modalities(a=library(columns(ROWS)), b=ROWS)
    for rows in (np.arange(6) % 2 == 0, [4, -1], slice(1, 5, 2), np.array([], int)):
        part = X[rows]
        assert type(part["a"]) is type(X["a"])
        expected = ROWS[np.asarray(rows, int) if isinstance(rows, list) else rows]
        np.testing.assert_array_equal(np.asarray(part["a"]), expected)
        np.testing.assert_array_equal(np.asarray(take_rows(X["a"], rows)), expected)


def test_rows_of_tables_and_tensors_are_stacked():
    torch = pytest.importorskip("torch")
    for table in (pl.DataFrame(columns(ROWS)), pa.table(columns(ROWS))):
        whole = Modalities.concat([Modalities(a=table)[:2], Modalities(a=table)[2:]])["a"]
        assert type(whole) is type(table)
        np.testing.assert_array_equal(np.asarray(whole), ROWS)
    half = Modalities(a=torch.ones(2, 1, dtype=torch.bfloat16))
    np.testing.assert_array_equal(Modalities.concat([half, half])["a"], np.ones((4, 1)))


def test_named_column_alone_is_a_table_of_one_column():
    for series in (pd.Series([1, 2], name="age"), pl.Series("age", [1, 2])):
        assert check_modalities({"a": series}).spec.feature_names == {"a": ("age",)}
    assert check_modalities({"a": pa.chunked_array([[1, 2]])}).arrays["a"].shape == (2, 1)


def test_table_that_has_not_been_computed_is_refused():
    lazy = pl.LazyFrame({"a": [1.0]})
    for X, who in (({"m": lazy}, "`X` modality 'm'"), (lazy, "`X`")):
        with pytest.raises(TypeError, match=f"{who} is a polars table.*not been computed"):
            check_modalities(X)


def test_names_are_joined_with_those_of_vectors_in_a_column():
    frame = pd.DataFrame({"age": [1.0, 2.0], "v": [np.zeros(2), np.ones(2)]})
    read = check_modalities({"m": frame})
    assert read.spec.feature_names["m"] == ("age", "v_0", "v_1")
    np.testing.assert_array_equal(read.arrays["m"], [[1, 0, 0], [2, 1, 1]])
    container, spec = name_modalities({"m": frame[["v"]]})
    assert container["m"].shape == (2, 2)
    assert container.feature_names == spec.feature_names == {"m": ("v_0", "v_1")}


# -- flat input that is no table -----------------------------------------------------------------


@pytest.mark.parametrize(
    "X", ["audio", {1, 2}, None, 3.0, pd.Series([1.0, 2.0]), pl.Series([1.0]), [1.0, 2.0]]
)
def test_what_is_no_table_is_refused_in_words_that_name_X(X):
    with pytest.raises((TypeError, ValueError), match="`X` cannot be read as a table"):
        check_modalities(X)


def test_empty_modalities_are_refused_by_the_name_of_the_parameter():
    with pytest.raises(ValueError, match="`modalities` must hold at least one modality"):
        check_modalities(ROWS, modalities={})


# -- many modalities -----------------------------------------------------------------------------


def test_thousand_modalities_are_cut_in_one_pass(monkeypatch):
    n = 1000
    table = pd.DataFrame(np.ones((5, 2 * n)), columns=[f"m{j // 2}_{j % 2}" for j in range(2 * n)])
    made = []
    frame_init = pd.DataFrame.__init__

    def counted(self, *args, **kwargs):
        made.append(1)
        frame_init(self, *args, **kwargs)

    monkeypatch.setattr(pd.DataFrame, "__init__", counted)
    blocks = {f"m{i}": [f"m{i}_0", f"m{i}_1"] for i in range(n)}
    checked = check_modalities(table, modalities=blocks)
    assert len(checked.names) == n
    assert checked.spec.feature_names["m7"] == ("m7_0", "m7_1")
    table.columns = pd.MultiIndex.from_tuples([tuple(c.split("_")) for c in table.columns])
    assert check_modalities(table).spec.feature_names["m7"] == ("0", "1")
    assert len(made) < 20
