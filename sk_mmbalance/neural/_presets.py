"""Presets: estimators whose flat parameters are those of one balancing method.

Fields, constraints, published values and the parameters' descriptions are taken from the method's
value: each is stated once.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..balancing import Balancing


def take_parameters(
    cls: type, value: type[Balancing], called: Mapping[str, str], inherited: set[str]
) -> str:
    """Give an estimator's class the parameters of a method, before it is made a dataclass.

    Parameters
    ----------
    cls : type
        The estimator. What it says itself (a default of its own) stays.
    value : type
        The method.
    called : mapping of str to str
        What the estimator calls parameters that the method calls otherwise.
    inherited : set of str
        Parameters that the estimator has already, and describes.

    Returns
    -------
    str
        Descriptions of the new parameters, for the estimator's docstring.
    """
    mine: Any = cls
    own = dict(inspect.get_annotations(cls))
    constraints = {}
    described = []
    texts = parameter_texts(value)
    for field in fields(value):
        name = called.get(field.name, field.name)
        own[name] = field.type
        if name not in cls.__dict__:
            setattr(cls, name, field.default)
        if name not in inherited:
            constraints[name] = value._parameter_constraints[field.name]
            described.append(texts[field.name].replace(field.name, name, 1))
    cls.__annotations__ = own
    mine._parameter_constraints = {**mine._parameter_constraints, **constraints}
    published = {called.get(name, name): given for name, given in value._published.items()}
    mine._published = {**published, **value._published_side}
    mine._preset_of, mine._called = value, dict(called)
    return "\n".join(described)


def value_of(preset: Any) -> Balancing:
    """The method as a preset's parameters describe it."""
    called = preset._called
    return preset._preset_of(
        **{f.name: getattr(preset, called.get(f.name, f.name)) for f in fields(preset._preset_of)}
    )


def parameter_texts(cls: type) -> dict[str, str]:
    """Description of every parameter in the docstring of a class, by its name."""
    lines = inspect.cleandoc(cls.__doc__ or "").split("\n")
    start = lines.index("Parameters") + 2
    texts: dict[str, list[str]] = {}
    for number, line in enumerate(lines[start:], start):
        if set(lines[min(number + 1, len(lines) - 1)]) == {"-"}:  # the next section's title
            break
        if line and not line[0].isspace():
            texts[line.partition(" : ")[0]] = []
        if line:
            list(texts.values())[-1].append(line)
    return {name: "\n".join(text) for name, text in texts.items()}
