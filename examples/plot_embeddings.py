"""
Embeddings: many columns, few rows
==================================

Whoever embeds pictures and texts with large networks and has a few hundred labels gets tables that
are wider than long. Here two "encoders" see the upper and the lower half of a handwritten digit,
and give 256 numbers each, of very different size. What should learn from them?
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from sk_mmbalance import (
    LateFusionClassifier,
    Modalities,
    ModalityConcatenator,
    ModalityTransformer,
    MultimodalClassifier,
    UnimodalClassifier,
)

# %%
# Two embeddings
# --------------
#
# Random features of each half, noisy ones of the lower, whose numbers are a thousand times as
# large: encoders do not agree on units.

rng = np.random.default_rng(0)
pixels, digit = load_digits(return_X_y=True)
pixels = pixels / 16


def embed(part, noise, size):
    weights = rng.normal(size=(part.shape[1], 256)) / np.sqrt(part.shape[1])
    return size * np.maximum(part @ weights + noise * rng.normal(size=(len(part), 256)), 0)


X = Modalities(upper=embed(pixels[:, :32], 0.2, 1), lower=embed(pixels[:, 32:], 0.6, 1000))
print(X)

# %%
# Scale each by itself
# --------------------
#
# 200 rows to learn from, 1597 to be judged by, ten times. Every linear model is tried on the raw
# numbers and with each embedding scaled: rows to length 1, as is usual for embeddings, then columns
# to spread 1. Raw, the larger embedding drowns the better one, and a second modality does harm;
# scaled, all columns are far ahead of the best single embedding, and the network (three times, on
# scaled numbers alone) is level with one linear model on all of them.

scaled = ModalityTransformer({}, remainder=make_pipeline(Normalizer(), StandardScaler()))
linear = LogisticRegression(C=0.01, max_iter=1000)
models = {
    "best single embedding": UnimodalClassifier(linear, cv=3),
    "all columns": make_pipeline(ModalityConcatenator(), linear),
    "late fusion": LateFusionClassifier(linear),
    "joint network": MultimodalClassifier(max_epochs=20, random_state=0, dtype="float32"),
}
splits = StratifiedShuffleSplit(10, train_size=200, random_state=0)
lines = []
for number, (train, test) in enumerate(splits.split(digit, digit)):
    for name, model in models.items():
        for how, full in {"raw": model, "scaled": make_pipeline(scaled, model)}.items():
            if name == "joint network" and (how == "raw" or number >= 3):
                continue  # steps of a network on raw numbers of a thousand lead nowhere
            score = full.fit(X[train], digit[train]).score(X[test], digit[test])
            lines.append({"model": name, "numbers": how, "accuracy": score})
table = pd.DataFrame(lines).pivot_table(
    index="model", columns="numbers", values="accuracy", aggfunc=["mean", "std"], sort=False
)
print(table.round(3))

mean, spread = table["mean"], table["std"]
ax = mean[::-1].plot.barh(
    xerr=spread[::-1], color=["#bbbbbb", "#0072B2"], figsize=(7, 3.4), width=0.7
)
ax.set(xlabel="accuracy on 1597 rows, 200 to learn from", ylabel="", xlim=(0.3, 1))
ax.spines[["top", "right"]].set_visible(False)
ax.legend(title="", frameon=False)
ax.figure.tight_layout()
plt.show()
