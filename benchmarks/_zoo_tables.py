"""What ``zoo.py`` computes from its record: each method beside its control, and what starves.

A method of the record is called "its name / optimiser"; with as many epochs fewer as its rows pass
more often, "its name, equal passes / optimiser".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from _protocols import JUDGED_BY

FEWER = ", equal passes"
VERDICTS = ("ahead", "level", "behind")
#: Networks between which the gap of a starved modality opens.
JOINT, OWN = "joint", "Independent"
#: What is known of a modality: by its own head or with the others masked, and by a linear
#: classifier on its embeddings.
KNOWN = {"accuracy": "by itself", "probe": "linear probe"}


def split(frame: pd.DataFrame) -> pd.DataFrame:
    """Measurements of networks, with the optimiser in a column of its own."""
    rows = frame[frame["method"].str.contains(" / ", regex=False)]
    parts = rows["method"].str.rpartition(" / ")
    return rows.assign(method=parts[0], optimiser=parts[2])


def beside_controls(frame: pd.DataFrame, controls: Mapping[str, str]) -> pd.DataFrame:
    """Every method minus its own control, in pairs: accuracy as a set is judged, and log-loss."""
    frame = split(frame)
    by = ["dataset", "optimiser", "seed", "fold"]
    wide = frame.pivot_table(index=[*by, "metric"], columns="method", values="value")
    rows = []
    for method in [name + kind for name in controls for kind in ("", FEWER)]:
        control = controls[method.removesuffix(FEWER)]
        if method == control or not {method, control} <= set(wide):
            continue
        for (*key, metric), apart in (wide[method] - wide[control]).dropna().items():
            judged = JUDGED_BY.get(key[0], "accuracy")
            if metric in (judged, "log_loss"):
                shown = "accuracy" if metric == judged else metric
                rows.append((key[0], method, control, *key[1:], shown, apart))
    columns = ["dataset", "method", "minus", *by[1:], "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def verdicts(apart: pd.DataFrame) -> pd.DataFrame:
    """On how many sets, with either optimiser, a method is ahead of its control, level or behind.

    Level is what is within one standard error of the paired differences.
    """
    sign = apart["metric"].map({"accuracy": 1, "log_loss": -1})
    keys = ["method", "minus", "metric", "optimiser", "dataset"]
    gains = apart.assign(value=sign * apart["value"]).groupby(keys, sort=False)["value"]
    mean, error = gains.mean(), gains.sem(ddof=1)
    said = np.select([mean.abs() <= error, mean > 0], ["level", "ahead"], "behind")
    told = mean.index.to_frame(index=False).assign(verdict=said)
    number = told.groupby([*keys[:3], "verdict"], sort=False).size()
    asked = told[keys[:3]].drop_duplicates().itertuples(index=False)
    index = [(*key, verdict) for key in asked for verdict in VERDICTS]
    found = number.reindex(index, fill_value=0).reset_index()
    return found.set_axis(["method", "minus", "metric", "verdict", "value"], axis=1)


def starved(frame: pd.DataFrame) -> pd.DataFrame:
    """Of each set the modality that joint training starves most: what every method leaves of it.

    "accuracy" has a row a seed; "gap closed" is the share of the way from joint training to the
    modality's own network, of means over seeds. Sets on which nothing starves have no share.
    """
    frame = split(frame)
    parts = frame["metric"].str.extract(r"^(?P<kind>accuracy|probe)\[(?P<modality>.*)\]$")
    rows = frame.assign(modality=parts["modality"], measured=parts["kind"].map(KNOWN))
    rows = rows.dropna(subset=["modality"])
    keys = ["dataset", "optimiser", "measured", "modality"]
    means = rows.groupby([*keys, "method"])["value"].mean().unstack("method")
    if not {JOINT, OWN} <= set(means):
        return pd.DataFrame(columns=["method", *keys, "seed", "figure", "value"])
    gap = means[OWN] - means[JOINT]
    # one modality a set: that which is behind by most by itself, over both optimisers
    lost = (
        gap.xs(KNOWN["accuracy"], level="measured").groupby(["dataset", "modality"]).mean().dropna()
    )
    modality = {dataset: each.idxmax()[1] for dataset, each in lost.groupby("dataset")}
    kept = rows[rows["modality"] == rows["dataset"].map(modality)]
    found = [kept.assign(figure="accuracy")[["method", *keys, "seed", "figure", "value"]]]
    closed = means.sub(means[JOINT], axis=0).div(gap.where(gap > 0.02), axis=0)
    closed = closed.stack().dropna().rename("value").reset_index()
    closed = closed[closed["modality"] == closed["dataset"].map(modality)]
    closed = closed[~closed["method"].isin([JOINT, OWN])].assign(figure="gap closed", seed="all")
    found.append(closed[found[0].columns])
    return pd.concat(found, ignore_index=True).astype({"seed": str})
