"""
A ward's columns and its notes
==============================

Numbers, categories and a free text of each visit, some of them missing: the table that a hospital
has. :func:`~sk_mmbalance.make_preprocessor` makes numbers of everything,
:func:`~sk_mmbalance.compare` sets a model of one's own beside the baselines with all visits of a
patient on the same side of every split, and the result says which part of the table earns its
place. The table is made up: the note and the clinic's columns each know half of the story, the
number of the form knows nothing.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from sk_mmbalance import Modalities, compare, make_preprocessor
from sk_mmbalance.inspection import ModalityContributionDisplay, modality_contributions

# %%
# The table
# ---------

rng = np.random.default_rng(3)
n = 360
patient = np.arange(n) // 3
risk = rng.normal(size=120)[patient]
dizzy = rng.normal(size=120)[patient] + 0.3 * rng.normal(size=n)
falls = risk + dizzy + 0.5 * rng.normal(size=n) > 0.8
said = {True: ["unsteady on the stairs", "dizzy in the morning"], False: ["walks well", "calm"]}
notes = [
    f"{rng.choice(said[bool(d > 0.4)])}, {rng.choice(['slept well', 'poor sleep'])} says nurse"
    for d in dizzy
]
table = pd.DataFrame(
    {
        "age": (70 + 8 * risk + 4 * rng.normal(size=n)).round(),
        "ward": np.where(risk + rng.normal(size=n) > 0, "geriatrics", rng.choice(["A", "B"], n)),
        "bmi": 25 + 4 * rng.normal(size=n),
        "note": notes,
        "form": rng.integers(1, 9, n),
    }
)
table.loc[rng.random(n) < 0.15, "note"] = None  # nobody wrote one
table.loc[rng.random(n) < 0.1, "bmi"] = np.nan
print(table.head(3).to_string())

X = Modalities.from_frame(
    table, {"clinic": ["age", "ward", "bmi"], "note": ["note"], "form": ["form"]}
)
print(make_preprocessor(X).fit_transform(X))

# %%
# The comparison
# --------------
#
# Both parts are needed, so that one alone stays behind. Between the rest there is little to choose
# on 120 patients, and the verdict says so: intervals this wide cannot tell apart what differs by
# two points.

found = compare(
    X,
    falls,
    groups=patient,
    models={"forest": RandomForestClassifier(50, random_state=0)},
    cv=3,
    verbose=0,
)
print(
    found.table[["kind", "accuracy", "accuracy_std", "difference", "low", "high"]]
    .round(3)
    .to_string()
)
print(found.verdict)

# %%
# Which columns earn their place
# ------------------------------
#
# The winner, fitted again without the last 40 patients and looked at on them.

last = patient >= 80
model = found.best_estimator().fit(X[~last], falls[~last])
worth = modality_contributions(
    model, X[last], falls[last], groups=patient[last], n_repeats=5, random_state=0
)
print(worth.table[["contribution", "low", "high", "alone"]].round(3))

figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
found.plot(ax=axes[0])
ModalityContributionDisplay.from_contributions(worth, ax=axes[1])
plt.show()
