"""
Face first, fingerprint when in doubt
=====================================

A door compares a visitor's face with the claimed identity. That costs nothing: the camera runs
anyway. A fingerprint is more certain, but the visitor has to stop. A serial chain asks for the
fingerprint only where the face left doubt. The scores here are synthetic; those of one person
correlate, as real ones do.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import RocCurveDisplay
from sklearn.model_selection import train_test_split

from sk_mmbalance import CostCurveDisplay, Modalities, SerialFusionClassifier

# %%
# Scores of genuine visitors and of impostors
# -------------------------------------------


def draw(n_samples, correlation, random_state=0):
    """Matching scores: face shifts by 3 for genuine visitors, fingerprint by 5."""
    rng = np.random.default_rng(random_state)
    genuine = rng.integers(0, 2, n_samples)
    person = rng.normal(size=n_samples)  # how easy a person is to recognise, for any matcher
    face, finger = (
        np.sqrt(correlation) * person + np.sqrt(1 - correlation) * rng.normal(size=n_samples)
        for _ in range(2)
    )
    X = Modalities(face=(face + 3 * genuine)[:, None], fingerprint=(finger + 5 * genuine)[:, None])
    return X, np.array(["impostor", "visitor"])[genuine]


X, y = draw(6000, correlation=0.5)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

# %%
# A chain at a given false acceptance rate
# ----------------------------------------
#
# At most one impostor in a hundred may pass. Among all bands (lo, hi) of the face score, and all
# cuts of the fingerprint score, that keep to this on out-of-fold scores, the chain takes the one
# with the fewest visitors refused; twenty fingerprints count as much as one of them.

stages = [("face", None, "face", 0), ("fingerprint", None, "fingerprint", 1)]
chain = SerialFusionClassifier(stages, thresholds="far", max_far=0.01, price=0.05).fit(X, y)
report = chain.decision_report(X_test)
print(report.by_stage().round(3))
passed = report.labels == "visitor"
print(f"impostors let in:  {passed[y_test == 'impostor'].mean():.3f}")
print(f"visitors refused:  {1 - passed[y_test == 'visitor'].mean():.3f}")
print(f"fingerprints asked for: {report.mean_cost:.1%}")

# %%
# While predicting, the fingerprint may be a function that acquires it. It is called once, with
# the numbers of the rows that are in doubt.


def sensor(rows):
    """Stands for a scanner."""
    print(f"{len(rows)} visitors put a finger on the scanner")
    return X_test["fingerprint"][rows]


again = chain.predict({"face": X_test["face"], "fingerprint": sensor})
print("same decisions:", bool((again == report.labels).all()))

# %%
# ROC
# ---
#
# The chain's curve is drawn from the score of whichever stage decided.

fig, ax = plt.subplots(figsize=(5.5, 5))
for stage, name in enumerate(("face", "fingerprint")):
    scores = chain.estimators_[stage].predict_proba(X_test[name])[:, 1]
    RocCurveDisplay.from_predictions(
        y_test, scores, pos_label="visitor", name=f"{name} alone", ax=ax
    )
RocCurveDisplay.from_predictions(
    y_test, chain.decision_function(X_test), pos_label="visitor", name="chain", ax=ax
)
ax.set(xlim=(0, 0.2), ylim=(0.8, 1), title="Verification")

# %%
# Accuracy against cost
# ---------------------
#
# Every price of a fingerprint gives another chain; from "never ask" (left) to what accuracy asks
# for (right). Beyond that point more fingerprints change nothing.

by_error = SerialFusionClassifier(stages, price=0.01).fit(X, y)
fig, ax = plt.subplots()
CostCurveDisplay.from_estimator(by_error, X_test, y_test, ax=ax, name="test rows")
CostCurveDisplay.from_estimator(by_error, ax=ax, name="out of fold, training rows")
ax.set_xlabel("fingerprints per visitor")

# %%
# The model of independent stages is optimistic
# ---------------------------------------------
#
# ``predicted_far_`` and ``predicted_frr_`` are what the chain's error rates would be if the two
# scores were independent given the class. The more they correlate, the further off it is: those
# whom the face matcher gets wrong are hard for the fingerprint matcher too.

rows = []
for correlation in (0.0, 0.25, 0.5, 0.75):
    model = SerialFusionClassifier(stages, thresholds=[(0.1, 0.9)])
    model.fit(*draw(6000, correlation))
    rows.append(
        {
            "correlation": correlation,
            "FAR counted": model.empirical_far_,
            "FAR predicted": model.predicted_far_,
            "FRR counted": model.empirical_frr_,
            "FRR predicted": model.predicted_frr_,
        }
    )
print(pd.DataFrame(rows).round(4).to_string(index=False))

plt.show()
