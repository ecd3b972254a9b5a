"""
Which method, on which data?
============================

Floors, networks, balancing methods and the opinion pool on six real data sets: nested
cross-validation, the same number of candidates for every arm, speakers and days left out. The
figures come from ``benchmarks/accuracy.py``, which takes an hour; this page draws what that
benchmark has measured.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import scikit_posthocs as posthocs
from scipy.stats import friedmanchisquare

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
record = pd.read_csv(here.parent / "benchmarks" / "results" / "accuracy.csv")

# %%
# Accuracy
# --------
#
# In percent, folds and seeds averaged; the figure each set is judged by is accuracy, balanced
# accuracy for occupancy, four fifths of whose rows are of one class.

judged = record["dataset"].map({"occupancy": "balanced_accuracy"}).fillna("accuracy")
rows = record[record["metric"] == judged]
table = rows.pivot_table(index="method", columns="dataset", values="value", sort=False)
print((100 * table).round(1).to_string())
print("seeds:", rows.groupby("dataset", sort=False)["seed"].nunique().to_dict())

# %%
# Mean ranks
# ----------
#
# Arms joined by a bar cannot be told apart by Nemenyi's test at 5 %. Six sets are few: the test
# sees large differences only, and absence of a difference is not shown by it.

complete = table.dropna().T
_, p_value = friedmanchisquare(*(complete[method] for method in complete))
print(f"{complete.shape[1]} arms on {complete.shape[0]} sets; Friedman's test: p = {p_value:.2g}")
ranks = complete.rank(axis=1, ascending=False).mean()
figure, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
posthocs.critical_difference_diagram(
    ranks,
    posthocs.posthoc_nemenyi_friedman(complete),
    ax=ax,
    label_fmt_left="{label} ({rank:.1f})  ",
    label_fmt_right="  {label} ({rank:.1f})",
)
ax.set_title("mean rank over the data sets (1 is best)")
plt.show()
