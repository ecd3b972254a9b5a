"""
Quickstart: two unequal views of a digit
========================================

Two views of one handwritten digit: its upper half (32 pixels), and the sums of the pixels over
each column (8 numbers), which say much less. We train a network on both in a pipeline, search
over the methods that keep the view that is ahead from starving the other, and put plain joint
training and the simple baselines beside it.

Everything that is chosen is chosen by cross-validation inside the training part; the test part is
looked at once. Three splits give a mean and a standard deviation.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import (
    LateFusionClassifier,
    ModalityConcatenator,
    ModalityTransformer,
    MultimodalClassifier,
    UnimodalClassifier,
)
from sk_mmbalance.balancing import MLA, OGM, UMT
from sk_mmbalance.datasets import load_digits_views
from sk_mmbalance.model_selection import VectorizedGridSearchCV

torch.set_num_threads(1)  # networks this small run fastest on one

# %%
# The data: `X["columns"]` and `X["upper"]`, as a container that scikit-learn can split.

X, y = load_digits_views(views=("upper", "columns"), return_X_y=True)
print(X)

# %%
# Every model is a pipeline that first scales each modality on its own. The baselines: each view
# alone, the better of the two (found by cross-validation), late fusion, both side by side in one
# logistic regression, and the plain joint network.

scale = ModalityTransformer({"upper": StandardScaler(), "columns": StandardScaler()})
linear = LogisticRegression(max_iter=1000)
training = {"max_epochs": 15, "lr": 3e-3, "early_stopping": False, "random_state": 0}
joint = MultimodalClassifier(unimodal_weight=0.0, **training)  # plain: no losses of single views

baselines = {
    "columns alone, logistic regression": UnimodalClassifier(linear, modality="columns"),
    "upper alone, logistic regression": UnimodalClassifier(linear, modality="upper"),
    "better view, logistic regression": UnimodalClassifier(linear, modality="best"),
    "late fusion, logistic regression": LateFusionClassifier(linear),
    "side by side, logistic regression": make_pipeline(ModalityConcatenator(), linear),
    "joint network": joint,
}

# %%
# The search: a balancing method is a value, and None is plain training with a loss per view. The
# strength of one method is a nested parameter, with scikit-learn's names; it exists for that method
# only, so the grid is a list. `VectorizedGridSearchCV` is scikit-learn's `GridSearchCV`, but trains
# candidates and folds of one form as one network where that is faster, and the others one by one.

name = "multimodalclassifier"
grid = [
    {
        f"{name}__balancing": [None],
        f"{name}__unimodal_weight": [0.5, 1.0],
        f"{name}__lr": [1e-3, 3e-3, 1e-2],
    },
    {f"{name}__balancing": [OGM()], f"{name}__balancing__alpha": [0.1, 0.8]},
    {f"{name}__balancing": [MLA(), UMT()]},
]
search = VectorizedGridSearchCV(make_pipeline(scale, MultimodalClassifier(**training)), grid, cv=3)

rows = []
for split, (train, test) in enumerate(
    StratifiedShuffleSplit(3, test_size=0.3, random_state=0).split(y, y)
):
    for name, baseline in baselines.items():
        model = make_pipeline(clone(scale), clone(baseline)).fit(X[train], y[train])
        rows.append({"model": name, "split": split, "accuracy": model.score(X[test], y[test])})
    search.fit(X[train], y[train])
    rows.append(
        {
            "model": "network, balancing searched",
            "split": split,
            "accuracy": search.score(X[test], y[test]),
        }
    )
    means = search.cv_results_["mean_test_score"]
    print(f"split {split}: the search chose {search.best_estimator_[-1].balancing}")
    for params, mean in zip(search.cv_results_["params"], means, strict=True):
        print("   ", *params.values(), f"{100 * mean:.1f}")

# %%
# How long would the last of these searches have taken one after another? One candidate of those
# trained together is fitted by itself in each of the folds; the rest is reckoned from that.

stacked = np.flatnonzero(search.vectorized_["stacked"])
together = 3 * search.cv_results_["mean_fit_time"][stacked].sum()
sample = search.cv_results_["params"][stacked[0]]
alone = GridSearchCV(search.estimator, {k: [v] for k, v in sample.items()}, cv=3, refit=False)
one_fit = alone.fit(X[train], y[train]).cv_results_["mean_fit_time"][0]
n_fits = 3 * len(stacked)
print(
    f"The {n_fits} fits of {len(stacked)} of the {len(means)} candidates, trained together: "
    f"{together:.1f} s. One of them by itself: {one_fit:.2f} s (mean of three), so that one after "
    f"another they would have taken about {n_fits * one_fit:.0f} s."
)

# %%
# The table: test accuracy in percent.

table = (
    pd.DataFrame(rows).groupby("model", sort=False)["accuracy"].agg(["mean", "std"]).mul(100)
).round(1)
print(table.to_string())

# %%
# On this data a loss per view is all the balance that is needed: the search prefers it, without a
# method, to every method. That is what a control is for.

# %%
# What happened to each view inside the networks? `history_` has the curves. Plain joint training
# has no classifier for a view: it is judged by the fused model with the other view masked, and that
# is all the joint network keeps of it. With a loss per view each has its own.

models = {
    "joint training": make_pipeline(clone(scale), clone(joint)).fit(X[train], y[train])[-1],
    "balancing searched": search.best_estimator_[-1],
}

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for axis, (title, model) in zip(axes, models.items(), strict=True):
    history = model.history_
    axis.plot(history["epoch"], history["train_accuracy"], color="black", label="fused")
    for name in model.modality_names_:
        axis.plot(history["epoch"], history[f"{name}__train_accuracy"], label=f"{name} alone")
    axis.set(title=title, xlabel="epoch", ylim=(0, 1.02))
axes[0].set_ylabel("training accuracy")
axes[1].legend(loc="lower right")

folder = Path("output")
folder.mkdir(exist_ok=True)
figure.savefig(folder / "quickstart.png", dpi=120)
print(f"The learning curves are in {folder / 'quickstart.png'}")

# %%
# What the views are worth alone on the test part, by their own classifiers:

balanced = search.best_estimator_
own = balanced[-1].unimodal_predict_proba(balanced[:-1].transform(X[test]))
for view, proba in own.items():
    accuracy = np.mean(balanced.classes_[proba.argmax(axis=1)] == y[test])
    print(f"{view} alone: {100 * accuracy:.1f} %")
