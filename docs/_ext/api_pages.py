"""Write the API page out of the package's own lists of public names, room by room.

``python docs/_ext/api_pages.py`` prints the page.
"""

import inspect
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

import sk_mmbalance

INTRO = """\
API
===

Everything that is public, by room. Every estimator also has scikit-learn's own methods
(``get_params``, ``set_params``, ``score``, metadata routing); they are as described there.
"""


#: Rooms inside rooms, loaded by name only; one whose optional package is absent is left out.
INNER_ROOMS = ("federated.flower",)


def public_names() -> dict[str, list[str]]:
    """Dotted public names by room: what the package exports, then what only its rooms export.

    A name stands once, under its shortest dotted form. Rooms that export come first.
    """
    rooms: dict[str, list[str]] = {}
    seen: set[int] = set()
    for name, home in sk_mmbalance._HOMES.items():
        rooms.setdefault(home.partition(".")[0], []).append(f"sk_mmbalance.{name}")
        seen.add(id(getattr(sk_mmbalance, name)))
    for name in sk_mmbalance.__all__:
        room = getattr(sk_mmbalance, name)
        if not isinstance(room, ModuleType):
            continue
        for inner in _exports(room):
            if id(getattr(room, inner)) not in seen:
                seen.add(id(getattr(room, inner)))
                rooms.setdefault(name, []).append(f"sk_mmbalance.{name}.{inner}")
    for name in INNER_ROOMS:
        with suppress(ImportError):
            inner = import_module(f"sk_mmbalance.{name}")
            rooms[name] = [f"sk_mmbalance.{name}.{each}" for each in inner.__all__]
    exporting = {home.partition(".")[0] for home in sk_mmbalance._HOMES.values()}
    order = sorted(rooms, key=lambda room: (room not in exporting, room))
    return {room: sorted(rooms[room]) for room in order}


def _exports(room: ModuleType) -> list[str]:
    """``__all__`` of a room, or the classes defined in it."""
    if hasattr(room, "__all__"):
        return [name for name in room.__all__ if not isinstance(getattr(room, name), ModuleType)]
    return [
        name
        for name, value in vars(room).items()
        if not name.startswith("_")
        and isinstance(value, type)
        and value.__module__ == room.__name__
    ]


def page() -> str:
    """Source of the API page."""
    parts = [INTRO]
    for room, names in public_names().items():
        module = import_module(f"sk_mmbalance.{room}")
        summary = (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ")
        listed = "\n".join(f"   ~{name}" for name in names)
        parts.append(
            f"{room}\n{'-' * len(room)}\n\n{summary}\n\n"
            f".. autosummary::\n   :toctree: generated\n   :nosignatures:\n\n{listed}\n"
        )
    return "\n".join(parts)


def write(target: Path) -> None:
    """Write the page if it changed, and drop the pages of names that are gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    text = page()
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
    names = {name for listed in public_names().values() for name in listed}
    for old in (target.parent / "generated").glob("*.rst"):
        if old.stem not in names:
            old.unlink()


if __name__ == "__main__":
    print(page())
