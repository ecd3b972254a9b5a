"""
Every balancing method beside its control
=========================================

All balancing methods of this package on five real data sets, with AdamW and with SGD: every network
has the same encoders and epochs, every strength is chosen among three on held-out training rows,
every method stands beside the network that lacks its idea alone, and what has no strength is given
three seeds to choose from in its place. The figures come from ``benchmarks/zoo.py record``, which
takes hours; this page draws what that benchmark has measured.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import scikit_posthocs as posthocs
from scipy.stats import friedmanchisquare

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
results = here.parent / "benchmarks" / "results"


def table(name):
    file = results / f"{name}.csv.xz"
    return pd.read_csv(file, header=None, index_col=0).T.astype({"value": float})


# %%
# Mean ranks
# ----------
#
# By log-loss, one optimiser a diagram; "late" and "joint" are plain networks, with the weight of
# the modalities' own losses behind them. Methods joined by a bar cannot be told apart by Nemenyi's
# test at 5 % [1]_. On five sets it tells none of thirty from any other, nor does Friedman's test
# see a difference among them.
#
# .. [1] Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006.

record = table("zoo_record")
loss = record[record["metric"] == "log_loss"]
plain = {
    "joint": "joint 0",
    "joint, a loss per modality": "joint 1",
    "late fusion, unimodal_weight=0": "late 0",
    "late fusion, unimodal_weight=1": "late 1",
}
figure, axes = plt.subplots(2, 1, figsize=(10, 11), layout="constrained")
for ax, optimiser in zip(axes, ["AdamW", "SGD"], strict=True):
    rows = loss[loss["method"].str.endswith(f" / {optimiser}")]
    names = rows["method"].str.removesuffix(f" / {optimiser}").replace(plain)
    rows = rows.assign(method=names)
    rows = rows[~names.str.contains("control|equal passes|unimodal_weight", regex=True)]
    mean = rows.pivot_table(index="dataset", columns="method", values="value")
    _, p_value = friedmanchisquare(*(mean[method] for method in mean))
    print(f"{optimiser}: {mean.shape[1]} networks on {len(mean)} sets, Friedman p = {p_value:.1g}")
    posthocs.critical_difference_diagram(
        mean.rank(axis=1).mean(),
        posthocs.posthoc_nemenyi_friedman(mean),
        ax=ax,
        color_palette={m: "C1" if m in plain.values() else "0.3" for m in mean},
        label_fmt_left="{label} ({rank:.1f})  ",
        label_fmt_right="  {label} ({rank:.1f})",
    )
    ax.set_title(f"{optimiser}: mean rank of log-loss over the data sets (1 is best)")
plt.show()

# %%
# Beside their own controls
# -------------------------
#
# Points of accuracy by which a method is ahead of its own control (right of the line) or behind
# it: a dot for each set, the mean of three seeds on three folds. What helps on one set and hurts
# on the next is no property of the method.

apart = table("zoo_record_differences")
apart = apart[(apart["metric"] == "accuracy") & ~apart["method"].str.endswith("equal passes")]
points = 100 * apart.groupby(["optimiser", "method", "dataset"])["value"].mean()
order = points.groupby("method").median().sort_values().index
sets = list(dict.fromkeys(apart["dataset"]))

figure, axes = plt.subplots(1, 2, figsize=(10, 8), sharey=True, layout="constrained")
for ax, optimiser in zip(axes, ["AdamW", "SGD"], strict=True):
    for k, dataset in enumerate(sets):
        shown = points[optimiser].unstack("dataset").reindex(order)[dataset]
        ax.plot(shown, range(len(order)), "o", color=f"C{k}", markersize=5, label=dataset)
    ax.axvline(0, color="0.6", linewidth=1)
    ax.set_title(optimiser)
    ax.set_xlabel("points above its own control")
axes[0].set_yticks(range(len(order)), order)
axes[1].legend(frameon=False, fontsize=8)
plt.show()

# %%
# What is left of the starved modality
# ------------------------------------
#
# By itself (through its own head, or with the others masked where it has none) a modality says far
# less after joint training than in a network of its own. The share of that gap that each method
# closes, on each set for the modality that is behind most: 0 is joint training, 1 the modality's
# own network. What trains a loss per modality closes nearly all of it, whatever else it does.

starved = table("zoo_record_starved")
closed = starved[(starved["figure"] == "gap closed") & (starved["measured"] == "by itself")]
closed = closed[closed["optimiser"] == "AdamW"]
closed = closed[~closed["method"].str.contains("control|equal passes", regex=True)]
wide = closed.pivot_table(index="method", columns="dataset", values="value")
wide = wide.loc[wide.mean(axis=1).sort_values().index]

figure, ax = plt.subplots(figsize=(8, 8), layout="constrained")
for dataset in wide:
    ax.plot(wide[dataset], range(len(wide)), "o", label=dataset, color=f"C{sets.index(dataset)}")
for at in (0, 1):
    ax.axvline(at, color="0.6", linewidth=1)
ax.set_yticks(range(len(wide)), wide.index)
ax.set_xlabel("share of the gap that is closed (AdamW)")
ax.legend(frameon=False, fontsize=8)
plt.show()
