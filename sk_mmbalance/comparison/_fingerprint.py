"""Short marks by which a later call knows the same data and the same models again."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from ._candidate import Candidate
from ._problem import Problem

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def mark_of_problem(problem: Problem, scoring: list[str], version: str) -> str:
    """Mark of everything that scores depend on besides the model."""
    digest = hashlib.sha256()
    for name, value in problem.X.items():
        digest.update(name.encode())
        _add(digest, value)
    _add(digest, problem.y)
    if problem.groups is not None:
        _add(digest, problem.groups)
    for train, test in problem.folds:
        _add(digest, train)
        _add(digest, test)
    digest.update(repr((problem.kind, problem.seed, scoring, version)).encode())
    return digest.hexdigest()[:16]


def mark_of_candidate(candidate: Candidate) -> str:
    """Mark of a model and of the settings among which it chooses."""
    model = candidate.model
    try:
        text = model.__repr__(N_CHAR_MAX=10**9)
    except TypeError:  # not one of scikit-learn's
        text = repr(model)
    said = f"{candidate.name}|{_ADDRESS.sub('', text)}|{sorted(candidate.grid.items())!r}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _add(digest: Any, value: Any) -> None:
    """Values, not objects: the same numbers or words give the same mark wherever they come from."""
    digest.update(repr(tuple(value.shape)).encode())
    if issparse(value):
        value = value.tocsr()
        for part in (value.data, value.indices, value.indptr):
            _add(digest, part)
    elif hasattr(value, "to_pandas"):
        _add(digest, value.to_pandas())
    elif isinstance(value, pd.DataFrame):
        digest.update(repr([str(label) for label in value.columns]).encode())
        for _, column in value.items():
            _add(digest, np.asarray(column))
    else:
        array = np.asarray(value)
        digest.update(array.dtype.str.encode())
        if array.dtype == object:
            for item in array.reshape(-1):
                if isinstance(item, np.ndarray):
                    _add(digest, item)
                else:
                    lacks = item is None or item is pd.NA or item != item
                    digest.update(repr(None if lacks else item).encode() + b"\0")
        else:
            digest.update(np.ascontiguousarray(array).tobytes())
