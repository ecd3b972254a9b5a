"""
Quickstart: two unequal views of a digit
========================================

Two views of one handwritten digit: its upper half (32 pixels), and the sums of the pixels over
each column (8 numbers), which say much less. We train a network on both in a pipeline, search
over what keeps the weak view alive, and put the simple floors beside it.

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
from sk_mmbalance.datasets import load_digits_views

torch.set_num_threads(1)  # networks this small run fastest on one

# %%
# The data: `X["columns"]` and `X["upper"]`, as a container that scikit-learn can split.

X, y = load_digits_views(views=("upper", "columns"), return_X_y=True)
print(X)

# %%
# Every model is a pipeline that first scales each modality on its own. The floors: each view
# alone, the better of the two (found by cross-validation), late fusion, both side by side in one
# logistic regression, and the plain joint network.

scale = ModalityTransformer({"upper": StandardScaler(), "columns": StandardScaler()})
linear = LogisticRegression(max_iter=1000)
network = MultimodalClassifier(max_epochs=30, early_stopping=False, random_state=0)

floors = {
    "columns alone, logistic regression": UnimodalClassifier(linear, modality="columns"),
    "upper alone, logistic regression": UnimodalClassifier(linear, modality="upper"),
    "better view, logistic regression": UnimodalClassifier(linear, modality="best"),
    "late fusion, logistic regression": LateFusionClassifier(linear),
    "side by side, logistic regression": make_pipeline(ModalityConcatenator(), linear),
    "joint network": network,
}

# %%
# The search: how to fuse, how much weight each view's own loss gets, and the learning rate. The
# names of nested parameters are scikit-learn's.

grid = {
    "multimodalclassifier__fusion": ["concat", "late"],
    "multimodalclassifier__unimodal_weight": [0.0, 1.0],
    "multimodalclassifier__lr": [1e-3, 5e-3],
}
search = GridSearchCV(make_pipeline(scale, network), grid, cv=3)

rows = []
for split, (train, test) in enumerate(
    StratifiedShuffleSplit(3, test_size=0.3, random_state=0).split(y, y)
):
    for name, floor in floors.items():
        model = make_pipeline(clone(scale), clone(floor)).fit(X[train], y[train])
        rows.append({"model": name, "split": split, "accuracy": model.score(X[test], y[test])})
    search.fit(X[train], y[train])
    rows.append(
        {
            "model": "network, searched",
            "split": split,
            "accuracy": search.score(X[test], y[test]),
        }
    )
    chosen = {key.split("__")[1]: value for key, value in search.best_params_.items()}
    print(f"split {split}: the search chose {chosen}")

# %%
# The table: test accuracy in percent.

table = (
    pd.DataFrame(rows).groupby("model", sort=False)["accuracy"].agg(["mean", "std"]).mul(100)
).round(1)
print(table.to_string())

# %%
# What happened to each view inside the networks? `history_` has the curves. Without a loss of its
# own a view is judged by the fused model with the other view masked; that is all the joint network
# keeps of it. With `unimodal_weight=1` each view has a head of its own.

plain = make_pipeline(clone(scale), clone(network)).fit(X[train], y[train])[-1]
helped = clone(network).set_params(unimodal_weight=1.0)
helped = make_pipeline(clone(scale), helped).fit(X[train], y[train])[-1]

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for axis, model, title in zip(
    axes, (plain, helped), ("joint training", "joint training, a loss per view"), strict=True
):
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
# Which view carries a prediction can be asked of every network:

own = helped.unimodal_predict_proba(scale.fit(X[train]).transform(X[test]))
for name, probabilities in own.items():
    accuracy = np.mean(helped.classes_[probabilities.argmax(axis=1)] == y[test])
    print(f"{name} alone, inside the network with a loss per view: {100 * accuracy:.1f} %")
