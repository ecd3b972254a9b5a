"""Every parameter of every estimator with every value that most are not made for.

Where random cases may miss a pair, this goes through all of them, on one small input.
"""

from __future__ import annotations

import copy
import decimal
import re
import warnings
from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
import pytest

from sk_mmbalance import exceptions

from .fuzz._families import BALANCING, FAMILIES
from .fuzz._judge import ANY_NAME, NAMED
from .fuzz._junk import JUNK

#: Anything may be a callback; a module that is compiled takes half a minute.
UNTOUCHED = ("callbacks", "compile")


def pairs(names: list[str]) -> Iterator[tuple[str, Any]]:
    """Names and values, but those that start processes or are somebody else's code."""
    for name in names:
        for value in JUNK:
            processes = isinstance(value, Real | np.ndarray | decimal.Decimal)
            if name in UNTOUCHED or (name == "n_jobs" and processes):
                continue
            if name == "scoring" and callable(value):
                continue
            yield name, value


def wrong(model: Any, names: tuple[str, ...], target: str, clients: bool) -> str | None:
    """What is wrong with how a fit ends; a right result or an error that names one is not."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 12)
    sizes = {"ear": 2, "eye": 1, "hand": 3}
    X = {m: rng.normal(size=(24, size)) + 0.7 * y[:, None] for m, size in sizes.items()}
    fit = {"clients": np.arange(24) % 3} if clients else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", RuntimeWarning)
            model.fit(X, rng.normal(size=24) if target == "numbers" else y, **fit).predict(X)
    except exceptions.DivergenceError:
        return None
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        named = any(re.search(NAMED.format(name), str(error)) for name in names)
        if not isinstance(error, ValueError | TypeError) or not ANY_NAME.search(str(error)):
            return words
        return None if named else f"names none of {names}: {words}"
    return None


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_parameter_of_an_estimator_is_taken_or_named(family):
    found = []
    for model in FAMILIES[family].models:
        names = sorted(model.get_params(deep=False))
        for name, value in pairs(names):
            spoilt = copy.deepcopy(model).set_params(**{name: value})
            clients = FAMILIES[family].options.get("groups") == "clients"
            if said := wrong(spoilt, (name,), FAMILIES[family].target, clients):
                found.append(f"{type(model).__name__}({name}={value!r}): {said}")
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("method", BALANCING)
def test_a_parameter_of_a_balancing_value_is_taken_or_named(method):
    found = []
    model = FAMILIES["networks"].models[0]
    for name, value in pairs(sorted(vars(method()))):
        spoilt = method()
        setattr(spoilt, name, value)
        network = copy.deepcopy(model).set_params(balancing=spoilt)
        if said := wrong(network, (name, "balancing"), "classes", False):
            found.append(f"{method.__name__}({name}={value!r}): {said}")
    assert not found, "\n".join(found)
