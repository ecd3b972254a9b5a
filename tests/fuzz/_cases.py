"""Random cases: drawn by hypothesis; their numbers come from a seed, so that drawing is cheap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from ._case import NEW, Case
from ._faults import FAULTS, spoil
from ._forms import DTYPES, FORMS, SPARSE_FORMS, Values, plain, with_holes
from ._labels import BOOL_LABELS, INTEGER_LABELS, TEXT_LABELS
from ._numbers import NUMBER_TARGETS, WEIGHTS
from ._wholes import WHOLES, by_name, flat

NAMES = ("ear", "eye", "hand")


def _numbers(rng: np.random.Generator, codes: np.ndarray, n_columns: int, dtype: str) -> np.ndarray:
    """Numbers that know the class, small enough for every type."""
    centres = rng.normal(0, 2, (int(codes.max(initial=0)) + 1, n_columns))
    A = centres[codes] + rng.normal(size=(len(codes), n_columns))
    if dtype == "bool":
        return np.median(A, axis=0) < A
    if dtype.startswith("u"):
        return np.abs(np.round(A * 5)).astype(dtype)
    return np.round(A * 5).astype(dtype) if dtype.startswith("i") else A.astype(dtype)


@st.composite
def cases(
    draw: Any,
    target: str = "classes",
    *,
    labels: bool = False,
    unlabelled: bool = False,
    sparse_too: bool = False,
    groups: str | None = "groups",
    weights: bool = True,
    faults: bool = True,
    missing: bool = True,
    min_modalities: int = 1,
    sides: bool = False,
    lazy: bool = False,
) -> Case:
    """Input for `fit` and `predict`, most of it sound, some of it spoilt in one place.

    Parameters
    ----------
    target : {"classes", "numbers", "none"}
        What `y` is.
    labels : bool
        Whether the estimator may learn several labels a row.
    unlabelled : bool
        Whether rows without label mean something to it.
    sparse_too : bool
        Whether it says that it takes sparse modalities.
    groups : str or None
        Name of the parameter of `fit` that takes groups.
    weights : bool
        Whether `fit` takes weights.
    faults : bool
        Whether something may be spoilt.
    missing : bool
        Whether it has the parameter `missing`.
    min_modalities : int
        How many there are at least.
    sides : bool
        Whether modalities are put together in two sides.
    lazy : bool
        Whether a modality to predict is looked at only in the rows that need it.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pick = lambda options: draw(st.sampled_from(list(options)))  # noqa: E731
    fault = pick(FAULTS) if faults else "none"
    n = pick([24, 30, 24, 25]) if fault != "few rows" else pick([1, 2, 3, 5])
    n_classes = pick([2, 3])
    codes = np.arange(n) % n_classes
    names = NAMES[: pick([m for m in (1, 2, 2, 3) if m >= min_modalities])]
    masks = missing and pick([False, False, True])
    holes = {name: np.zeros(n, bool) for name in names}
    if masks and len(names) > 1:
        for name in names[1:]:
            holes[name] = rng.random(n) < 0.3
            holes[name][:6] = False
    dtypes = {name: pick(DTYPES) for name in names}
    arrays = {name: _numbers(rng, codes, pick([1, 2, 3]), dtypes[name]) for name in names}
    case = Case(None, None, None, None)
    if masks:
        case.params["missing"] = case.plain_params["missing"] = "mask"
    _fill(case, pick, arrays, holes, sparse_too, masks)
    _target(case, pick, rng, codes, target, labels)
    if weights and pick([False, False, True]):
        w = np.round(rng.random(n) * 4 + 1) / 4
        if pick([False, True]):
            w[n_classes : n_classes + 3] = 0
        case.fit["sample_weight"] = WEIGHTS[pick(WEIGHTS)](w)
        case.plain_fit["sample_weight"] = w
    if groups and pick([False, False, True]):
        g = np.arange(n) // 2
        as_text = pick([False, True])
        case.plain_fit[groups] = [f"g{v:02d}" for v in g] if as_text else g
        make = (TEXT_LABELS if as_text else INTEGER_LABELS)[pick(["list", "objects", "series"])]
        case.fit[groups] = make([f"g{v:02d}" for v in g] if as_text else g.tolist())
    spoil(case, pick, fault, names, n, target, unlabelled, groups, weights)
    if lazy and fault.startswith("new"):
        case.must_refuse = False
    if sides and len(names) > 2 and masks:  # a side lacks what one of its modalities lacks
        case.spoilt("X")
    return case


def _fill(case: Case, pick: Any, arrays: dict, holes: dict, sparse_too: bool, masks: bool) -> None:
    """`X` and `X_new`, in one form each or in two."""
    how = pick(WHOLES)
    n = len(next(iter(arrays.values())))
    if how.startswith("flat"):
        whole = {name: with_holes(A, holes[name]) for name, A in arrays.items()}
        case.X, blocks, case.plain = flat(how, whole)
        case.params["modalities"] = blocks
        case.X_new, case.plain_new = case.X[NEW], {m: A[NEW] for m, A in case.plain.items()}
        return
    if how == "two levels":
        forms = {name: pick(["pandas", "pandas, nullable"]) for name in arrays}
    else:
        forms = {name: pick([*FORMS, *(SPARSE_FORMS if sparse_too else ())]) for name in arrays}
    read: dict[str, Values] = {}
    for name, A in arrays.items():
        if forms[name] in SPARSE_FORMS:
            A = A.astype("float32") if A.dtype == np.float16 else A
            holes[name] = np.zeros(n, bool)
            dtype = "float64" if forms[name] == "dok" else A.dtype.name
            read[name] = SPARSE_FORMS[forms[name]](A), plain(A, dtype)
        else:
            read[name] = FORMS[forms[name]](A, holes[name])
    case.X = by_name(how, {name: value for name, (value, _) in read.items()})
    case.plain = {name: same for name, (_, same) in read.items()}
    # to predict: some rows, as arrays or in the form of fit
    case.plain_new = {name: same[NEW] for name, same in case.plain.items()}
    if (
        pick([False, True])
        and how != "two levels"
        and not any("pandas" in f for f in forms.values())
    ):
        again = {
            name: SPARSE_FORMS[forms[name]](A[NEW])
            if forms[name] in SPARSE_FORMS and A.dtype != np.float16
            else FORMS[forms[name]](A[NEW], holes[name][NEW])[0]
            if forms[name] in FORMS
            else case.plain_new[name]
            for name, A in arrays.items()
        }
        case.X_new = again
    else:
        case.X_new = dict(case.plain_new)


def _target(case: Case, pick: Any, rng: Any, codes: np.ndarray, target: str, labels: bool) -> None:
    if target == "none":
        return
    if target == "numbers":
        y = np.round(codes * 3 + rng.normal(size=len(codes)), 3)
        how = pick(NUMBER_TARGETS)
        case.y = NUMBER_TARGETS[how](y)
        case.plain_y = np.column_stack([y, -y]) if how == "two columns" else y
        return
    if labels and pick([False] * 4 + [True]):
        several = np.column_stack([codes == 0, codes > 0, rng.random(len(codes)) < 0.5]).astype(int)
        case.y = pick([several, several.astype(bool), several.tolist(), pd.DataFrame(several)])
        case.plain_y = several
        case.spoilt("y", "class_weight")  # not every estimator of a family takes several
        return
    kind = pick(["integers", "integers", "text", "text", "bool"])
    if kind == "text":
        case.plain_y = [f"class {c}" for c in codes]
        case.y = TEXT_LABELS[pick(TEXT_LABELS)](list(case.plain_y))
    elif kind == "bool":
        case.plain_y = [bool(c) for c in codes % 2]
        case.y = BOOL_LABELS[pick(BOOL_LABELS)](list(case.plain_y))
    else:
        shift = pick([0, 1, -1, 7])
        case.plain_y = [int(c) + shift for c in codes]
        how = pick([h for h in INTEGER_LABELS if shift >= 0 or h != "small integers"])
        case.y = INTEGER_LABELS[how](list(case.plain_y))
        if how == "large":
            case.plain_y = case.y.tolist()
