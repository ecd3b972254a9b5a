"""Values that most parameters are not made for."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pandas as pd

#: Values that most parameters are not made for.
JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 3, -1, 10**30, 0.0, 0.5, 1.5, -0.5, 1e-300, 1e300,
    float("nan"), float("inf"), "auto", "bogus", "", b"mean", (), (1,), (2, -1), [], [0.5], ["ear"],
    {}, {"ear": 1.0}, {"nobody": 1.0}, {"ear": "bogus"}, {0: 1.0}, {1}, len, object, object(),
    np.float64(0.3), np.int64(2), np.array([0.1, 0.2]), np.array(3), np.nan, decimal.Decimal("0.5"),
    1j, slice(0, 1), "ear", np.random.default_rng(0), pd.NA, ("ear", "eye"), [None], np.bool_(True),
)  # fmt: skip
