"""Random sequences of unequal length: every form gives the same bits, or an error of ours."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sk_mmbalance import (
    FedAvgClassifier,
    LateFusionClassifier,
    Modalities,
    MultimodalClassifier,
    OpinionPoolClassifier,
)

from ._case import NEW, Case
from ._families import NB, NET
from ._judge import classifier, judge

HEED = [
    MultimodalClassifier(**NET),
    MultimodalClassifier(**NET, backbones={"walk": "gru"}),
    FedAvgClassifier(hidden_layer_sizes=(4,), feature_dim=3, n_rounds=1, random_state=0),
]
DO_NOT = [
    LateFusionClassifier(NB),
    OpinionPoolClassifier(),
    MultimodalClassifier(**NET, backbones={"walk": "mlp"}),
]
DTYPES = ("f8", "f4", "f2", "i8", "i2", ">f8", "?")


def boxed(walks: list) -> np.ndarray:
    box = np.empty(len(walks), dtype=object)
    box[:] = walks
    return box


def filled_up(walks: list, dtype: Any, more: int = 0) -> np.ndarray:
    """One array, in which NaN stands after the end."""
    width = next(walk.shape[1] for walk in walks if walk is not None)
    longest = max(len(walk) for walk in walks if walk is not None)
    array = np.full((len(walks), longest + more, width), np.nan, dtype=dtype)
    for row, walk in zip(array, walks, strict=True):
        if walk is not None:
            row[: len(walk)] = walk
    return array


def as_lists(walks: list) -> list:
    return [None if walk is None else walk.tolist() for walk in walks]


FORMS = {
    "list": lambda walks: walks,
    "objects": boxed,
    "column of objects": lambda walks: boxed(walks)[:, None],
    "Series": lambda walks: pd.Series(boxed(walks)),
    "pandas": lambda walks: pd.DataFrame({"walk": boxed(walks)}),
    "polars": lambda walks: pl.DataFrame({"walk": as_lists(walks)}),
    "pyarrow": lambda walks: pa.table({"walk": as_lists(walks)}),
    "NaN": lambda walks: filled_up(walks, np.result_type("f2", *_dtypes(walks)), more=2),
}
OF_LISTS = ("polars", "pyarrow")  # what Python's lists hold is float64, int64 or bool


def _dtypes(walks: list) -> set[np.dtype]:
    return {walk.dtype for walk in walks if walk is not None}


def _kept(walks: list, form: str) -> Any:
    dtypes = {np.dtype({"f": "f8", "i": "i8"}.get(d.kind, d)) for d in _dtypes(walks)}
    common = np.result_type(*(dtypes if form in OF_LISTS else _dtypes(walks)))
    if form == "NaN":
        common = np.result_type("f2", common)
    return np.float32 if common.itemsize <= 2 or common == np.float32 else np.float64


FAULTS = {
    "another width": lambda walk: np.ones((2, walk.shape[1] + 1)),
    "a vector": lambda walk: np.ones(3),
    "text": lambda walk: np.full(walk.shape, "a"),
    "dates": lambda walk: np.full(walk.shape, "2024-01-01", dtype="M8[D]"),
    "a gap": lambda walk: np.where(np.arange(walk.size).reshape(walk.shape) == 0, np.nan, walk),
    "infinity": lambda walk: np.full(walk.shape, np.inf),
    "a word": lambda walk: "walk",
    "complex": lambda walk: walk * 1j,
}


@given(data=st.data())
def test_sequences_give_the_same_bits_in_every_form(data):
    n, width = data.draw(st.integers(16, 24)), data.draw(st.integers(1, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    lengths = rng.integers(1, 6, n)
    lengths[:2], lengths[NEW][:2] = (1, 5), (2, 3)
    dtype = data.draw(st.sampled_from(DTYPES))
    walks: list[Any] = [rng.normal(0, 2, (k, width)).astype(dtype) for k in lengths]
    y = [str(label) for label in np.arange(n) % 2]
    number = data.draw(st.integers(0, 3 * len(HEED) + len(DO_NOT) - 1))
    model = (HEED * 3 + DO_NOT)[number]
    if data.draw(st.booleans()):  # some are missing
        model = model.set_params(missing="mask")
        for row in rng.choice(n, 3, replace=False):
            walks[row] = None
    else:
        model = model.set_params(missing="error")
    face = rng.normal(size=(n, 2))
    form = data.draw(st.sampled_from(list(FORMS)))

    case = Case(None, y, None, y)
    if any(model is other for other in DO_NOT):
        case.spoilt("X", "backbones", refused=True)
    if data.draw(st.integers(0, 3)) == 0:
        form = data.draw(st.sampled_from(["list", "objects"]))
        row = next(k for k in range(n) if walks[k] is not None and len(walks[k]) > 1)
        kind = data.draw(st.sampled_from(list(FAULTS)))
        walks[row] = FAULTS[kind](walks[row].astype("f8"))
        case.spoilt("X", refused=True)
        whole = FORMS[form](walks)
    else:
        whole = FORMS[form](walks)
        plain = filled_up(walks, _kept(walks, form))
        case.plain = {"face": face, "walk": plain}
        case.plain_new = {"face": face[NEW], "walk": plain[NEW]}
    put = data.draw(st.sampled_from([dict, Modalities]))
    case.X = {"face": face, "walk": whole}
    case.X_new = {"face": face[NEW], "walk": FORMS[form](walks[NEW])}
    if put is Modalities and case.plain is not None:
        case.X, case.X_new = Modalities(case.X), Modalities(case.X_new)
    judge("sequences", classifier(model), case)
