"""Parameters that all neural estimators share are described once and shown on every class."""

from __future__ import annotations

import inspect

_SECTIONS = ("Attributes", "Raises", "See Also", "Notes", "References", "Examples")


def insert_shared(doc: str, shared_parameters: str, shared_attributes: str) -> str:
    """Complete a class's docstring with the shared parameters and attributes."""
    doc = inspect.cleandoc(doc)
    doc = _append_to_section(doc, "Parameters", shared_parameters)
    return _append_to_section(doc, "Attributes", shared_attributes)


def _append_to_section(doc: str, section: str, text: str) -> str:
    if not text:
        return doc
    text = inspect.cleandoc(text)
    lines = doc.split("\n")
    heads = [
        number
        for number in range(len(lines) - 1)
        if lines[number + 1] and set(lines[number + 1]) == {"-"}
    ]
    starts = {lines[number].strip(): number for number in heads}
    if section in starts:
        after = [number for number in heads if number > starts[section]]
        at = after[0] if after else len(lines)
        body = lines[:at]
    else:
        later = _SECTIONS[_SECTIONS.index(section) + 1 :] if section in _SECTIONS else _SECTIONS
        after = [starts[name] for name in later if name in starts]
        at = min(after, default=len(lines))
        body = [*lines[:at], section, "-" * len(section)]
    while body and not body[-1].strip():
        body.pop()
    return "\n".join([*body, text, "", *lines[at:]]).rstrip() + "\n"
