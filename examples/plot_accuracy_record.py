"""
Which method, on which data?
============================

Baselines, networks, balancing methods and the opinion pool on six real data sets: nested
cross-validation, the same number of candidates for every method but the pool and one joint
network, which are taken as they come, speakers and days left out. The figures come from
``benchmarks/accuracy.py``, which takes hours; this page draws what that benchmark has measured.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import scikit_posthocs as posthocs
from scipy.stats import friedmanchisquare

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
results = here.parent / "benchmarks" / "results"
file = results / "accuracy_record.csv.xz"
record = pd.read_csv(file, header=None, index_col=0).T.astype({"value": float})

# %%
# Accuracy
# --------
#
# In percent, folds and seeds averaged; balanced accuracy for occupancy, four fifths of whose rows
# are of one class. "best modality alone" is chosen with the test rows: no one could have known it.

rows = record[record["metric"] == "accuracy"]
table = rows.pivot_table(index="method", columns="dataset", values="value", sort=False)
short = {"avdigits_weakimage": "weak image"}
print((100 * table).round(1).rename(columns=short).to_string())

# %%
# Mean ranks
# ----------
#
# Methods joined by a bar cannot be told apart by Nemenyi's test at 5 % [1]_. Six sets are few for
# so many methods: the test sees only the largest differences, and where it sees none there may be
# one.
#
# .. [1] Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006.

honest = table.T.loc[:, ~table.index.str.startswith("best modality alone")]
_, p_value = friedmanchisquare(*(honest[method] for method in honest))
print(f"{honest.shape[1]} methods on {honest.shape[0]} sets; Friedman's test: p = {p_value:.1g}")
figure, ax = plt.subplots(figsize=(10, 5), layout="constrained")
posthocs.critical_difference_diagram(
    honest.rank(axis=1, ascending=False).mean(),
    posthocs.posthoc_nemenyi_friedman(honest),
    ax=ax,
    color_palette=dict.fromkeys(honest.columns, "0.3"),
    label_fmt_left="{label} ({rank:.1f})  ",
    label_fmt_right="  {label} ({rank:.1f})",
)
ax.set_title("mean rank over the data sets (1 is best)")
plt.show()

# %%
# Against the best baseline
# -------------------------
#
# Points by which a method is ahead of the best baseline of its set (right of the line) or behind
# it, and the standard error over the outer folds. That baseline is chosen with the test rows, too.

file = results / "accuracy_differences.csv.xz"
apart = pd.read_csv(file, header=None, index_col=0).T.astype({"value": float})
apart = apart[apart["kind"] == "best baseline"]
points = (100 * apart["value"]).groupby([apart["dataset"], apart["method"]])
mean, error = points.mean(), points.sem()
methods = ["opinion pool", "boosting", "remixing", "negative learning", "joint"]
colours = dict(zip(methods, ["k", "C0", "C1", "C2", "C3"], strict=True))
sets = list(table)

figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
for place, method in enumerate(methods):
    ax.errorbar(
        [mean[name, method] for name in sets],
        [number + 0.13 * (place - 2) for number in range(len(sets))],
        xerr=[error[name, method] for name in sets],
        fmt="o",
        color=colours[method],
        label=method,
    )
ax.axvline(0, color="0.6", linewidth=1)
ax.set_yticks(range(len(sets)), sets)
ax.invert_yaxis()
ax.set_xlabel("points of accuracy above the best baseline")
ax.legend(frameon=False)
plt.show()
