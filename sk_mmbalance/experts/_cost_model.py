"""What a default expert costs, reckoned from rows, columns and classes: the same on any machine.

A clock would let the load of a machine decide which experts a pool has, and with the experts every
number. Reckoned costs are in seconds of one core of the machine that the coefficients were measured
on (``_expert_costs.toml``, by ``benchmarks/expert_costs.py``); another is faster or slower by a
factor, and still admits the same experts.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from math import log2, sqrt

#: Rounds of boosting that the coefficients are for.
ROUNDS = 30

#: Trees that the coefficients are for.
TREES = 100

#: Epochs of a network that does not stop early, and rows of a batch below 5000 rows.
EPOCHS, BATCH = 50, 64

#: Components of a kernel that is approximated.
COMPONENTS = 300


@cache
def coefficients() -> dict[str, list[float]]:
    """Seconds of a unit of each term of `terms`, by kind of expert."""
    text = files(__package__).joinpath("_expert_costs.toml").read_text(encoding="utf-8")
    return {kind: list(values) for kind, values in tomllib.loads(text)["seconds"].items()}


def terms(kind: str, n_rows: int, n_columns: int, n_outputs: int) -> list[float]:
    """Counts of work of one fit that grow with the input.

    Parameters
    ----------
    kind : {"linear", "trees", "boosting", "kernel", "rough kernel", "network"}
        Kind of expert.
    n_rows, n_columns : int
        Shape of what it is fitted to.
    n_outputs : int
        Scores that it gives a row: 1 of two classes and of numbers, else the number of classes.
    """
    n, p, k = float(n_rows), float(n_columns), float(n_outputs)
    sorting = n * log2(max(n, 2.0))
    return {
        "linear": [n * p * k],
        "trees": [TREES * sorting * sqrt(p), TREES * n * k],
        "boosting": [sorting * p, ROUNDS * k * n * p, ROUNDS * k],
        "kernel": [n * n * p, n * n],
        "rough kernel": [n * p * COMPONENTS, n * COMPONENTS * (COMPONENTS + k)],
        "network": [EPOCHS * n / (BATCH if n < 5000 else 4 * BATCH), EPOCHS * n * p],
    }[kind]


def seconds(kind: str, n_rows: int, n_columns: int, n_outputs: int) -> float:
    """Reckoned seconds of one fit of an expert on one core."""
    counted = terms(kind, n_rows, n_columns, n_outputs)
    return sum(c * t for c, t in zip(coefficients()[kind], counted, strict=True))


def megabytes(
    kind: str, n_rows: int, n_columns: int, n_outputs: int, n_trees: int = TREES
) -> float:
    """Reckoned memory that a fit takes beside its input, what it keeps included."""
    n, p, k = n_rows, n_columns, n_outputs
    bytes_of = {
        "linear": 16.0 * n * p,
        # nodes of 64 bytes and a number for each output; a leaf for nearly every row
        "trees": 4.0 * n * p + n_trees * 2.0 * n * (64 + 8 * k),
        "boosting": 9.0 * n * p + 24.0 * n * k,
        "kernel": 16.0 * n * p + 200e6,  # the cache of libsvm
        "rough kernel": 8.0 * n * p + 24.0 * n * COMPONENTS,
        "network": 12.0 * n * p + 2e3 * p,
    }
    return bytes_of[kind] / 1e6
