"""
Which modality matters?
=======================

Three models of the same wines, and what each of their modalities is worth to them: a network on
modalities by name, late fusion, and a random forest that only knows one flat table.
"""

import matplotlib.pyplot as plt
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import (
    CostCurveDisplay,
    LateFusionClassifier,
    ModalityConcatenator,
    ModalityTransformer,
    MultimodalClassifier,
)
from sk_mmbalance.datasets import load_wine_views
from sk_mmbalance.inspection import (
    BalanceCurveDisplay,
    MissingModalityDisplay,
    ModalityContributionDisplay,
    modality_contributions,
)

X, y = load_wine_views(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
scale = ModalityTransformer({}, remainder=StandardScaler())
models = {
    "network": make_pipeline(scale, MultimodalClassifier(missing="mask", random_state=0)),
    "late fusion": make_pipeline(scale, LateFusionClassifier(missing="mask")),
    "random forest": make_pipeline(
        ModalityConcatenator(), RandomForestClassifier(100, random_state=0)
    ),
}
for model in models.values():
    model.fit(X_train, y_train)

# %%
# Contributions
# -------------
#
# The contribution of a modality is its Shapley value: the gain in accuracy as it joins the others,
# over all orders in which they can join. Here a modality is removed by shuffling its rows, which
# works for every model alike. The lines are 95 % intervals over test rows; the marks show what a
# modality gains alone and what is lost without it.

found = {
    name: modality_contributions(model, X_test, y_test, random_state=0)
    for name, model in models.items()
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharex=True, layout="constrained")
for ax, (name, contributions) in zip(axes, found.items(), strict=True):
    ModalityContributionDisplay(contributions).plot(ax=ax, details=True)
    ax.set_title(f"{name}: accuracy {contributions.score_all:.2f}")
for ax in axes[[0, 2]]:
    ax.get_legend().remove()  # one is enough
plt.show()

# %%
# All three lean on composition and colour most, and late fusion could do without the phenols: the
# others tell the same, though by themselves the phenols tell something too. In figures:

print(found["network"])

# %%
# Row by row
# ----------
#
# The same, for every single wine: which modality contributed the most to the probability of its
# true class?

rows = modality_contributions(
    models["network"], X_test, y_test, level="row", scoring="probability", removal="native"
)
print(rows.table.head().round(2))
ModalityContributionDisplay.from_contributions(rows)
plt.show()

# %%
# Modalities that go missing
# --------------------------
#
# Network and late fusion were built for rows that lack a modality (``missing="mask"``), so it is
# removed natively; the forest knows nothing of the kind and gets means of the training rows.

figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for name, model in models.items():
    removal = "mean" if name == "random forest" else "native"
    MissingModalityDisplay.from_estimator(
        model,
        X_test,
        y_test,
        removal=removal,
        background=X_train,
        ax=ax,
        name=f"{name} ({removal})",
        random_state=0,
    )
plt.show()

# %%
# What a modality is worth its cost
# ---------------------------------
#
# If phenols took ten minutes to measure, composition five, and colour one: every set of modalities
# against what it costs. Sets on the line are beaten by no cheaper one.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
costs = {"colour": 1, "composition": 5, "phenols": 10}
CostCurveDisplay.from_coalitions(found["network"].coalitions, costs, ax=left, name="network")
left.set_xlabel("minutes per wine")

# %%
# How they were learnt
# --------------------
#
# A network also keeps what its classifier of each modality can do, epoch by epoch. Here no
# modality starves: all three curves rise, each to its own height.

BalanceCurveDisplay.from_estimator(models["network"], ax=right)
plt.show()
