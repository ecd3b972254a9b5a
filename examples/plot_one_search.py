"""
Every balancing method in one search
====================================

A balancing method is a value, so that choosing one is what choosing any parameter is: a line of a
grid. The search below is what ``benchmarks/one_search.py`` ran on mfeat (2,000 handwritten
numerals, six modalities), with errors raised; this page runs it on a small set, and draws what the
benchmark has measured.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import ModalityTransformer, MultimodalClassifier
from sk_mmbalance.balancing import AGM, DGL, OGM, Independent, MMPareto
from sk_mmbalance.datasets import load_digits_views

X, y = load_digits_views(return_X_y=True)
scale = ModalityTransformer({}, remainder=StandardScaler())
model = make_pipeline(scale, MultimodalClassifier(max_epochs=10, random_state=0))
values = [None, AGM(), DGL(), Independent(), MMPareto(), OGM()]
grid = {"multimodalclassifier__balancing": values}
search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)

for value, score in zip(values, search.cv_results_["mean_test_score"], strict=True):
    print(f"{value!s:16s} {score:.3f}")

# %%
# All of them, on mfeat
# ---------------------
#
# Mean and standard deviation over three folds; 20 epochs, default strengths. On this set, whose
# modalities are all good, most methods differ by less than the folds do, and the network
# without one stands among them: to choose the first would be to choose by chance.

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
file = here.parent / "benchmarks" / "results" / "one_search.csv.xz"
table = pd.read_csv(file, header=None, index_col=0).T.astype({"value": float})
table = table.pivot(index="method", columns="metric", values="value")
table = table.sort_values("accuracy, mean")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 7), sharey=True, layout="constrained")
for ax, metric in ((left, "accuracy"), (right, "log_loss")):
    for method, row in table.iterrows():
        ax.errorbar(
            row[f"{metric}, mean"],
            method,
            xerr=row[f"{metric}, std"],
            fmt="o",
            color="tab:orange" if method == "no method" else "tab:blue",
        )
    ax.set_xlabel(metric.replace("_", "-"))
figure.suptitle("balancing methods in one search, three folds of mfeat")
plt.show()

# %%
# As a table:

print(table[::-1].round(4).to_string())
