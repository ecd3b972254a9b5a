"""Write the tables of "Which method when": every balancing value in one line.

What a method acts on, what it costs and which rows it wants held out is stated here, once; what it
asks of the estimator is read off its class; how it did beside its control, and the time it took,
are computed from the data files of ``benchmarks/zoo.py``.

``python docs/_ext/which_method.py`` prints the tables.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sk_mmbalance import balancing
from sk_mmbalance.balancing import Balancing

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from _columns import read_columns

#: From how far on a difference to the control is named, if it is twice its standard error too.
NAMED = 0.01
#: What a fit's time is divided by, and the optimiser of both.
PLAIN, OPTIMISER = "joint, a loss per modality", "AdamW"


@dataclass(frozen=True)
class Method:
    """What is to be said of a method that its class does not say."""

    acts_on: str
    costs: str
    held_out: str = ""


FAMILIES: dict[str, dict[str, Method]] = {
    "On gradients and steps": {
        "OGM": Method(
            "the step of the encoder that is surer, batch by batch",
            "no further pass; a random number for every weight of the encoders, none without noise",
        ),
        "AGM": Method(
            "the step of the modality whose part of the fused logits leads",
            "no further pass; fusions that are no sum are asked for all coalitions",
        ),
        "Priority": Method(
            "what one encoder learns in an epoch: the strongest, the weakest, or by a rule",
            "no further pass",
            "used where early stopping has some",
        ),
        "MMPareto": Method(
            "the gradient of an encoder where fused loss and its own conflict",
            "two backward passes, five thirds of a step",
        ),
        "DGL": Method("the way of the fused loss to the encoders, which is cut", "no further pass"),
        "MLA": Method(
            "the order of training: one encoder a step, all behind one head",
            "a step for each modality in place of one",
        ),
        "Greedy": Method(
            "the gates of the fusion, held while they learn too fast", "no further pass"
        ),
        "Relearning": Method(
            "the weights of an encoder, pulled back to its start a few times",
            "a clustering, a few times in a training",
            "needed: takes a tenth where there are none",
        ),
    },
    "On the loss": {
        "GradientBlending": Method(
            "the weights of the losses, by what generalised and what overfitted",
            "the loss of all rows, once a span of epochs",
            "needed: takes a tenth where there are none",
        ),
        "PMR": Method(
            "the modalities behind, by a loss on distances to class means",
            "class means before each epoch: a pass without gradients, a third of an epoch",
        ),
        "MBSD": Method("the row's weaker modality, taught by its stronger", "no further pass"),
        "NegativeLearning": Method(
            "the row's less sure modality, taught which classes are wrong", "no further pass"
        ),
        "CML": Method(
            "confidence that rises when a modality is taken away",
            "the fusion once more for each modality",
        ),
        "LFM": Method(
            "the gap between the modalities' predictions",
            "no further pass; with a learnt weight some after each epoch",
            "with a learnt weight",
        ),
        "MCR": Method(
            "the say of each modality in the fused prediction",
            "the fusion once more for each modality",
        ),
        "MMCosine": Method(
            "the size of embeddings and weights: only angles count", "no further pass"
        ),
    },
    "On the rows and what is seen of them": {
        "ModalityDropout": Method("rows, which lose modalities at random", "no further pass"),
        "OPM": Method("rows, which lose the modality that is ahead", "no further pass"),
        "AMCo": Method("features of the embedding that outweighs the others", "no further pass"),
        "MIDAS": Method(
            "rows that are put together of the modalities of two", "the fusion a second time"
        ),
        "Valuation": Method(
            "rows, which come again with the modality alone that helped little",
            "all coalitions before each epoch, and epochs of up to five times the rows",
        ),
        "DataRemixing": Method(
            "rows, each given to the modality that is least sure of it",
            "a pass without gradients before each remixed epoch",
        ),
    },
    "On the order of training": {
        "Independent": Method("everything: each modality by its own loss alone", "no further pass"),
        "ReconBoost": Method(
            "one modality an epoch, on what the others do not know; then all", "no further pass"
        ),
        "SustainedBoosting": Method(
            "the modality that is behind, which gets further classifier heads",
            "a step for each modality in place of one; heads",
            "used where early stopping has some",
        ),
        "UMT": Method(
            "embeddings, held near those of a network per modality",
            "these networks first: two fits in one",
        ),
    },
}


def needs(value: type[Balancing], held_out: str = "") -> str:
    """What a method asks of target and estimator, in words."""
    found = {
        ("classes",): ["one class a row"],
        ("classes", "labels"): ["classes or labels"],
    }.get(value._kinds, [])
    if value._fusions is not None:
        found += ["fusion " + ", ".join(f"“{name}”" for name in sorted(value._fusions))]
    if value._other_unimodal_weights == "positive":
        found += ["a loss per modality"]
    if held_out:
        found += [f"rows held out: {held_out}"]
    return "; ".join(found) or "nothing"


def outcomes(differences: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Of each method, on which sets it was ahead of its control and on which behind, in points.

    Over both optimisers and all seeds. Within two standard errors it is neither.
    """
    rows = differences[differences["metric"] == "accuracy"]
    pairs = rows.groupby(["method", "dataset"])["value"]
    mean, error = pairs.mean(), pairs.sem(ddof=1)
    found = {}
    for method, each in mean.where(mean.abs() > 2 * error, 0).groupby("method"):
        sets = each.droplevel("method").sort_values(ascending=False)
        ahead, behind = sets[sets >= NAMED], sets[sets <= -NAMED][::-1]
        found[str(method)] = (_told(ahead), _told(behind))
    return found


def _told(sets: pd.Series) -> str:
    """Sets with their points; a long name may be broken behind its underscores."""
    told = [f"{name} {100 * value:+.1f}" for name, value in sets.items()]
    return ", ".join(told).replace("-", "−").replace("_", "_\u200b")


def times(measured: pd.DataFrame) -> dict[str, float]:
    """Time of a fit of each method divided by that of the plain network, geometric mean of sets."""
    ending = f" / {OPTIMISER}"
    rows = measured[(measured["metric"] == "cpu_seconds") & measured["method"].str.endswith(ending)]
    rows = rows.assign(method=rows["method"].str.removesuffix(ending))
    wide = rows.pivot_table(index="method", columns="dataset", values="value")
    return dict(np.exp(np.log(wide / wide.loc[PLAIN]).mean(axis=1)))


def costs(said: str, passes: float) -> str:
    """What a method costs, with how often a row passes through the encoders if it is not once."""
    plain = np.isnan(passes) or abs(passes - 1) < 0.1
    return said if plain else f"{said} (counted: {passes:.1f} passes)"


def counted(file: Path) -> dict[str, float]:
    """Passes of each method by a file of counts; none where it has not been written."""
    if not file.is_file():
        return {}
    rows = read_columns(file)
    return rows[rows["metric"] == "passes"].groupby("method")["value"].mean().to_dict()


def page(results: Path) -> str:
    """The tables, a section a family."""
    passes = counted(results / "zoo_passes.csv.xz")
    apart = outcomes(read_columns(results / "zoo_record_differences.csv.xz"))
    factor = times(read_columns(results / "zoo_record.csv.xz"))
    heads = ["method", "acts on", "costs", "time", "needs", "ahead", "behind"]
    parts = []
    for family, methods in FAMILIES.items():
        lines = [heads]
        for name, method in methods.items():
            label = f":ref:`{name} <guide-{name.lower()}>`"
            wants = needs(getattr(balancing, name), method.held_out)
            time = f"×\u00a0{factor[name]:.1f}" if name in factor else "\\ "
            shown = [cell or "–" for cell in apart.get(name, ("", ""))]
            cost = costs(method.costs, passes.get(name, np.nan))
            lines.append([label, method.acts_on, cost, time, wants, *shown])
        rows = "\n".join("   * - " + "\n     - ".join(line) for line in lines)
        parts.append(
            f"{family}\n{'~' * len(family)}\n\n"
            ".. list-table::\n   :class: methods\n   :header-rows: 1\n"
            f"   :widths: 14 26 22 7 17 14 14\n\n{rows}\n"
        )
    return "\n".join(parts)


def write(benchmarks: Path, target: Path) -> None:
    """Write the tables for the guide's page to include."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(benchmarks / "results"), encoding="utf-8")


if __name__ == "__main__":
    print(page(BENCHMARKS / "results"))
