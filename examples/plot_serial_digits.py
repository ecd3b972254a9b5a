"""
Most digits are easy: a chain of three views
============================================

Sums of pixels over the columns and over the rows of an image tell most handwritten digits apart.
The whole image is needed for the rest only. Each stage sees what has been acquired so far, and the
price of a feature decides how sure a stage has to be.
"""

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import (
    CostCurveDisplay,
    ModalityConcatenator,
    SerialFusionClassifier,
)
from sk_mmbalance.datasets import load_digits_views

X, y = load_digits_views(views=("rows", "columns", "image"), return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
print(X)

# %%
# Stages in order of feature count
# --------------------------------
#
# With ``stages=None`` there is one logistic regression per modality, and a modality costs as much
# as it has features.

chain = SerialFusionClassifier(accumulate=True, price=5e-4).fit(X, y)
print(chain.stage_summary_.round(3))
print("confidence below which a stage defers:", chain.thresholds_.round(3))

# %%
# What it costs
# -------------

everything = make_pipeline(
    ModalityConcatenator(), StandardScaler(), LogisticRegression(max_iter=1000)
).fit(X, y)
report = chain.decision_report(X_test)
print(f"chain       accuracy {chain.score(X_test, y_test):.3f}, {report.mean_cost:.1f} features")
print(f"everything  accuracy {everything.score(X_test, y_test):.3f}, 80 features")
print(report.by_stage().round(3))

# %%
# Which digits are hard?
# ----------------------

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
hard = [report.stage[y_test == digit].mean() for digit in range(10)]
left.bar(range(10), hard)
left.set(
    xlabel="digit",
    ylabel="mean stage that decided",
    title="0: columns, 1: rows, 2: the image",
    xticks=range(10),
)
display = CostCurveDisplay.from_estimator(chain, X_test, y_test, ax=right, name="accumulating")
apart = SerialFusionClassifier(price=5e-4).fit(X, y)
CostCurveDisplay.from_estimator(apart, X_test, y_test, ax=right, name="each view alone")
right.axhline(everything.score(X_test, y_test), color="grey", linestyle=":")
right.set(xlabel="features per digit", title="dotted: all 80 features")
fig.tight_layout()

# %%
# Would the image have been better first?
# ---------------------------------------
#
# The order of stages can be searched by the same criterion, on the training rows.

searched = SerialFusionClassifier(accumulate=True, price=5e-4, order="search").fit(X, y)
print(" -> ".join(searched.stage_names_))
cost = searched.acquisition_cost(X_test).mean
print(f"accuracy {searched.score(X_test, y_test):.3f}, {cost:.1f} features")

plt.show()
