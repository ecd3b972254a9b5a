"""Write the API page out of the package's own lists of public names, group by group.

``python docs/_ext/api_pages.py`` prints the page.
"""

from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from types import ModuleType

import sk_mmbalance

INTRO = """\
API
===

Everything that is public, by what it is for. Every estimator also has scikit-learn's own methods
(``get_params``, ``set_params``, ``score``, metadata routing); they are as described there.
"""


@dataclass(frozen=True)
class Group:
    """What stands under one heading of the API page and of its side bar.

    Names are patterns of "room.name", also for what is imported from the package itself.
    """

    title: str
    summary: str
    names: tuple[str, ...]
    guide: str  # page of the user guide


#: A name stands in the first group that has a pattern for it; one that no group has is an error.
GROUPS = (
    Group(
        "Data and its preparation",
        "The container of several modalities, and transformers for each of them.",
        ("modalities.Modalities", "preprocessing.*"),
        "pipelines",
    ),
    Group(
        "Baselines",
        "What every method has to beat: the best single modality, and late fusion.",
        ("ensemble.Unimodal*", "ensemble.LateFusion*"),
        "baselines",
    ),
    Group(
        "Opinion pools",
        "Many experts in one convex pool, and the weights behind it.",
        ("ensemble.*", "convex.fit_*", "convex.*Pool*", "convex.pool*", "convex.PatternWeights"),
        "opinion_pool",
    ),
    Group(
        "Joint networks",
        "One network for all modalities; a balancing value goes into its ``balancing=``.",
        ("neural.Multimodal*", "neural.Base*"),
        "networks",
    ),
    Group(
        "Networks with a balancing method",
        "Three methods with their parameters as those of an estimator.",
        ("neural.*",),
        "balancing",
    ),
    Group(
        "Balancing values",
        "What keeps a strong modality from starving the weak ones; None is the control of all.",
        ("balancing.*",),
        "which_method",
    ),
    Group(
        "Convex models",
        "A cheap and an expensive side, with a certificate of the optimum.",
        ("convex.*",),
        "arm",
    ),
    Group(
        "Serial chains",
        "Acquire a further modality only when it is needed.",
        ("serial.*", "inspection.CostCurveDisplay"),
        "serial",
    ),
    Group(
        "Federated estimators",
        "Clients with private data, one network for all; and data divided for a trial.",
        ("federated.*Classifier", "federated.*_clients", "federated.*modalit*"),
        "federated",
    ),
    Group(
        "Federated methods and engines of your own",
        "The parts that those estimators are made of.",
        ("federated.*",),
        "federated",
    ),
    Group(
        "Networks of several seeds",
        "Their answers averaged.",
        ("deep_ensemble.*",),
        "networks",
    ),
    Group(
        "Inspection",
        "What each modality is worth to a fitted estimator, ours or not.",
        ("inspection.*",),
        "inspection",
    ),
    Group(
        "Comparison",
        "Baselines, networks, methods and the pool on the same folds of your own data.",
        ("comparison.*",),
        "from_your_csv",
    ),
    Group(
        "Search",
        "Searches whose candidates are trained as one network.",
        ("model_selection.*",),
        "searches",
    ),
    Group(
        "Data sets",
        "Made, bundled with scikit-learn, or downloaded.",
        ("datasets.*",),
        "datasets",
    ),
    Group(
        "Input, in code of your own",
        "How estimators read what they are given, for those who write another.",
        ("modalities.*",),
        "data_contract",
    ),
    Group(
        "Errors and warnings",
        "Those that a caller may want to catch by name.",
        ("exceptions.*",),
        "warnings",
    ),
)

#: Names that have a page of the guide other than that of their group.
GUIDE = {
    "modalities.Modalities": "data_contract",
    "preprocessing.make_preprocessor": "from_your_csv",
    "preprocessing.DateEncoder": "from_your_csv",
    "preprocessing.StepTransformer": "data_contract",
    "preprocessing.TextEncoder": "from_your_csv",
    "ensemble.LateFusionRegressor": "targets",
    "ensemble.OpinionPoolRegressor": "targets",
    "ensemble.UnimodalRegressor": "targets",
    "neural.MultimodalRegressor": "targets",
    "neural.DataRemixingClassifier": "remixing",
    "neural.NegativeLearningClassifier": "negative_learning",
    "neural.SustainedBoostingClassifier": "boosting",
    "balancing.Balancing": "balancing_methods",
    "inspection.CostCurveDisplay": "inspection",
    "modalities.missing_rows": "missing",
}

#: Rooms inside rooms, loaded by name only; one whose optional package is absent is left out.
INNER_ROOMS = ("federated.flower",)


def public_names() -> dict[str, str]:
    """Public names, dotted as they are imported, each with its "room.name".

    What the package exports, then what only its rooms export: a name stands once, under its
    shortest dotted form.
    """
    names = {f"sk_mmbalance.{name}": f"{home}.{name}" for name, home in sk_mmbalance._HOMES.items()}
    seen = {id(getattr(sk_mmbalance, name)) for name in sk_mmbalance._HOMES}
    for name in sk_mmbalance.__all__:
        room = getattr(sk_mmbalance, name)
        if not isinstance(room, ModuleType):
            continue
        for inner in _exports(room):
            if id(getattr(room, inner)) not in seen:
                seen.add(id(getattr(room, inner)))
                names[f"sk_mmbalance.{name}.{inner}"] = f"{name}.{inner}"
    for name in INNER_ROOMS:
        with suppress(ImportError):
            for each in import_module(f"sk_mmbalance.{name}").__all__:
                names[f"sk_mmbalance.{name}.{each}"] = f"{name}.{each}"
    return names


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


def group_of(place: str) -> Group:
    """The group of a "room.name"."""
    for group in GROUPS:
        if any(fnmatchcase(place, pattern) for pattern in group.names):
            return group
    raise ValueError(f"{place} stands in no group of docs/_ext/api_pages.py: add a pattern for it.")


def grouped_names() -> dict[str, list[str]]:
    """Dotted public names by title of their group, both in the order of the page."""
    groups: dict[str, list[str]] = {group.title: [] for group in GROUPS}
    for dotted, place in public_names().items():
        groups[group_of(place).title].append(dotted)
    return {
        title: sorted(names, key=lambda dotted: dotted.rpartition(".")[2].lower())
        for title, names in groups.items()
    }


def guide_links() -> dict[str, str]:
    """Where the user guide speaks of each public name, as a reference of reStructuredText.

    A balancing method has a section of its own, under a label that the guide gives.
    """
    links = {}
    for dotted, place in public_names().items():
        room, _, name = place.rpartition(".")
        if place in GUIDE:
            links[dotted] = f":doc:`/user_guide/{GUIDE[place]}`"
        elif room == "federated.flower":
            links[dotted] = ":doc:`/user_guide/federated_deployment`"
        elif room == "balancing":
            links[dotted] = f":ref:`guide-{name.lower()}`, :doc:`/user_guide/which_method`"
        else:
            links[dotted] = f":doc:`/user_guide/{group_of(place).guide}`"
    return links


def balancing_values() -> dict[str, str]:
    """The methods that a user of each balancing value calls; the net alone calls its hooks."""
    return {
        dotted: "control, published, published_estimator, published_side"
        for dotted, place in public_names().items()
        if place.startswith("balancing.") and not place.endswith(".Balancing")
    }


def page() -> str:
    """Source of the API page."""
    parts = [INTRO]
    summaries = {group.title: group.summary for group in GROUPS}
    for title, names in grouped_names().items():
        listed = "\n".join(f"   ~{name}" for name in names)
        parts.append(
            f"{title}\n{'-' * len(title)}\n\n{summaries[title]}\n\n"
            f".. autosummary::\n   :toctree: generated\n   :caption: {title}\n   :nosignatures:\n\n"
            f"{listed}\n"
        )
    return "\n".join(parts)


def write(target: Path) -> None:
    """Write the page if it changed, and drop the pages of names that are gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    text = page()
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
    names = set(public_names())
    for old in (target.parent / "generated").glob("*.rst"):
        if old.stem not in names:
            old.unlink()


if __name__ == "__main__":
    print(page())
