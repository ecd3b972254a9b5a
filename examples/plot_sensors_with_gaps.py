"""
Sensors that are not always worn
================================

Three sensors of a wearable, twenty windows of time from each of 60 people, and gaps: a strap that
was taken off lacks a whole sensor for a while. Who of them limps? Two questions decide whether a
figure can be trusted: are all windows of a person on the same side of every split, and what happens
to the rows with gaps? The data are made up, so it is known what there is to find.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sk_mmbalance import LateFusionClassifier, Modalities, make_preprocessor
from sk_mmbalance.inspection import ModalityContributionDisplay, modality_contributions

# %%
# The table
# ---------
#
# Everybody moves in a way of their own, with a pulse of their own. Those who limp (every second
# person) move a little otherwise; the pulse knows less of it, the temperature of the skin nothing.

rng = np.random.default_rng(0)
person = np.repeat(np.arange(60), 20)
limps = person % 2 == 1
columns = [f"{name}_{k}" for name, n in (("acc", 6), ("pulse", 3), ("skin", 3)) for k in range(n)]
effect = np.r_[np.full(6, 0.5), np.full(3, 0.35), np.zeros(3)]
habits = rng.normal(size=(60, 12))
values = 0.6 * habits[person] + limps[:, None] * effect + 0.5 * rng.normal(size=(1200, 12))
table = pd.DataFrame(values, columns=columns)
for sensor, share in {"acc": 0.4, "pulse": 0.2, "skin": 0.1}.items():
    off = np.repeat(rng.random(240) < share, 5)  # five windows at a time
    table.loc[off, [c for c in columns if c.startswith(sensor)]] = np.nan
worn = table.notna().any(axis=1).to_numpy()  # with no sensor at all there is nothing to say
table, person, limps = table[worn].reset_index(drop=True), person[worn], limps[worn]

X = Modalities.from_frame(table, {"acc": "^acc_", "pulse": "^pulse_", "skin": "^skin_"})
print(X.info()[["shape", "missing_rows"]])

# %%
# The same person on both sides of a split
# ----------------------------------------
#
# A support vector machine recognises people by their habits, and looks up in their other windows
# whether they limp. Folds that mix windows take that for skill; people that it has not met show it.

models = {
    "SVM, means in the gaps": make_pipeline(SimpleImputer(), StandardScaler(), SVC(C=10)),
    "late fusion, means in the gaps": make_pipeline(
        SimpleImputer(),
        LateFusionClassifier(
            LogisticRegression(),
            modalities={"acc": slice(0, 6), "pulse": slice(6, 9), "skin": slice(9, 12)},
        ),
    ),
    "late fusion of what was worn": make_pipeline(
        make_preprocessor(X),
        LateFusionClassifier(LogisticRegression(), missing="mask"),
    ),
}
folds = {"windows mixed": KFold(5, shuffle=True, random_state=0), "people apart": GroupKFold(5)}
gaps = table["acc_0"].isna().to_numpy()
right = {}
for name, model in models.items():
    rows = X if "worn" in name else table.to_numpy()
    for how, cv in folds.items():
        groups = person if how == "people apart" else None
        answers = cross_val_predict(model, rows, limps, cv=cv, groups=groups)
        right[name, how] = answers == limps
accuracy = pd.Series({key: hits.mean() for key, hits in right.items()}).unstack()
print(accuracy[list(folds)].round(3))

# %%
# Rows with a gap
# ---------------
#
# On people that were not met, and looked at apart: windows in which the accelerometer was worn, and
# those in which it was not. Nothing brings back what was not measured, neither a mean nor a model.
# Late fusion of what was worn gives up next to no accuracy for inventing nothing, and its answer
# about such a row is that of the other sensors.

by_gap = pd.DataFrame(
    {
        name: {
            "accelerometer worn": right[name, "people apart"][~gaps].mean(),
            "accelerometer off": right[name, "people apart"][gaps].mean(),
        }
        for name in models
    }
).T
print(by_gap.round(3))

# %%
# Which sensor is worth wearing
# -----------------------------
#
# On 20 people that took no part in the fit. Intervals are of people, not of windows: there are
# twenty times as many windows, but no more people.

met = person < 40
model = models["late fusion of what was worn"].fit(X[met], limps[met])
worth = modality_contributions(
    model, X[~met], limps[~met], groups=person[~met], n_repeats=5, random_state=0
)
print(worth.table[["contribution", "low", "high"]].round(3))

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.2), layout="constrained")
accuracy[list(folds)].plot.barh(ax=axes[0], color=["#bbbbbb", "#0072B2"])
axes[0].set(xlim=(0.5, 1), xlabel="accuracy")
axes[0].legend(loc="upper right", frameon=False)
ModalityContributionDisplay.from_contributions(worth, ax=axes[1])
plt.show()
