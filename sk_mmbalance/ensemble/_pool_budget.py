"""Which default experts go where all of them together would take too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..experts import NamedExpert

#: Reckoned seconds of all fits of one expert after the other, folds included, that a pool may take.
MOST_SECONDS = 600.0


def too_dear(named: Sequence[NamedExpert], seconds: Mapping[str, float]) -> dict[str, str]:
    """Experts that a pool does without, by name, and why; none where all together are in bounds.

    The costliest go first, of equal ones the weaker linear model, and standard linear models after
    all others. None goes in vain: what the others' going has left room for comes back. Of each
    block of modalities the cheapest expert stays in any case.

    Parameters
    ----------
    named : sequence of NamedExpert
        All experts.
    seconds : mapping of str to float
        Reckoned seconds of all fits of each.
    """
    total = whole = sum(seconds[expert.name] for expert in named)
    cheapest: dict[tuple[str, ...], str] = {}
    for expert in sorted(named, key=lambda e: seconds[e.name]):
        cheapest.setdefault(expert.modalities, expert.name)
    going = sorted(
        (expert.name for expert in named if expert.name != cheapest[expert.modalities]),
        key=lambda name: (_kind(name) == "linear", -seconds[name], not _is_linear(name)),
    )
    gone: dict[str, None] = {}
    for name in going:
        if total <= MOST_SECONDS:
            break
        gone[name] = None
        total -= seconds[name]
    for name in reversed(tuple(gone)):
        if total + seconds[name] <= MOST_SECONDS:
            del gone[name]
            total += seconds[name]
    return dict.fromkeys(
        gone, f"all experts would take about {whole:.3g} s, above {MOST_SECONDS:g} s"
    )


def _kind(name: str) -> str:
    return name.rpartition(": ")[2]


def _is_linear(name: str) -> bool:
    return _kind(name).startswith("linear")
