"""
A cheap face, an expensive fingerprint
======================================

A door should recognise six people. A camera is cheap, a fingerprint reader is slow and disliked.
So fingerprints are scarce in training: half of the rows have one, and only eight rows a person
have been labelled by hand. At the door the face alone has to do where it can.

:class:`~sk_mmbalance.ARMClassifier` trains a linear classifier on each side at once. Its
*coupling* pulls the two outputs together on every row that has both sides, labelled or not: the
fingerprint's classifier teaches the face's. A sparsity penalty keeps the columns of the weak side
that say something about the class.
"""

# %%
# The data
# --------
#
# Ten columns of each side carry the person; the face has forty columns of noise besides. What
# can be reached at best is known, because the data are synthetic.

import matplotlib.pyplot as plt
import numpy as np

from sk_mmbalance import ARMClassifier, ARMClassifierCV, Modalities
from sk_mmbalance.datasets import make_imbalanced_modalities

N_TRAIN, N_TEST, N_PEOPLE, PER_PERSON = 800, 2000, 6, 8
UNKNOWN = -1


def make_rows(seed):
    X, y, bayes = make_imbalanced_modalities(
        N_TRAIN + N_TEST,
        N_PEOPLE,
        modalities=("fingerprint", "face"),
        n_informative=10,
        n_uninformative={"fingerprint": 10, "face": 40},
        noise={"fingerprint": 0.25, "face": 0.5},
        random_state=seed,
    )
    train, test = slice(0, N_TRAIN), slice(N_TRAIN, None)
    order = np.random.default_rng(seed).permutation(N_TRAIN)
    enrolled, others = order[: N_TRAIN // 2], order[N_TRAIN // 2 :]
    labels = np.full(N_TRAIN, UNKNOWN)
    for person in range(N_PEOPLE):
        known = enrolled[y[enrolled] == person][:PER_PERSON]
        labels[known] = person
    fingerprint = X["fingerprint"][train].copy()
    fingerprint[others] = np.nan
    rows = Modalities(face=X["face"][train], fingerprint=fingerprint)
    return rows, labels, X[test], y[test], bayes.accuracy


rows, labels, test_rows, truth, reachable = make_rows(seed=0)
print({name: round(value, 2) for name, value in reachable.items()})

# %%
# Coupling off against coupling on
# --------------------------------
#
# The same model with ``coupling=0`` is two separate classifiers. Five draws of the data, each
# scored on rows the models have not seen: by the face alone, by the fingerprint alone, and by
# the mean of both scores. The door has no fingerprint when it looks at the face: the rows given
# to the weak mode have none.

COUPLINGS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
MODES = ("weak", "strong", "sum")
OPTIONS = {
    "weak": "face",
    "missing": "mask",
    "unlabeled_label": UNKNOWN,
    "strong_reg": 0.03,
    "weak_reg": 0.3,
    "solver": "schur",
}

accuracy = np.zeros((5, len(COUPLINGS), len(MODES)))
for seed in range(len(accuracy)):
    train_rows, train_labels, unseen, answers, _ = make_rows(seed)
    for place, coupling in enumerate(COUPLINGS):
        arm = ARMClassifier(coupling=coupling, **OPTIONS).fit(train_rows, train_labels)
        for column, mode in enumerate(MODES):
            seen = {"face": unseen["face"]} if mode == "weak" else unseen
            arm.set_params(predict_with=mode)
            accuracy[seed, place, column] = arm.score(seen, answers)

mean = accuracy.mean(axis=0)
error = accuracy.std(axis=0, ddof=1) / np.sqrt(len(accuracy))
figure, axis = plt.subplots(figsize=(6, 4))
for column, name in enumerate(("face alone", "fingerprint alone", "both")):
    axis.errorbar(
        range(len(COUPLINGS)), mean[:, column], error[:, column], marker="o", capsize=3, label=name
    )
axis.set_xticks(range(len(COUPLINGS)), [f"{value:g}" for value in COUPLINGS])
axis.set(xlabel="coupling", ylabel="accuracy on new rows", title="Mean of five draws, ± one SE")
axis.legend()
figure.tight_layout()

for coupling, row in zip(COUPLINGS, mean, strict=True):
    print(
        f"coupling {coupling:4g}: "
        + ", ".join(f"{m} {v:.3f}" for m, v in zip(MODES, row, strict=True))
    )

# %%
# The face gains from the fingerprint's knowledge of the unlabelled rows. The fingerprint itself
# gains nothing: it is pulled towards the weaker output, and the more so the stronger the
# coupling. Which coupling is best depends on what is used at the door.
#
# Choosing the coupling
# ---------------------
#
# :class:`~sk_mmbalance.ARMClassifierCV` chooses the strengths by cross-validation, for the
# prediction mode that will be used.

for mode in ("weak", "strong"):
    chosen = ARMClassifierCV(
        weak="face",
        missing="mask",
        unlabeled_label=UNKNOWN,
        predict_with=mode,
        couplings=COUPLINGS,
        strong_regs=[0.03],
        weak_regs=[1.0, 0.3, 0.1, 0.03],
        solver="schur",
        cv=4,
    ).fit(rows, labels)
    print(
        f"{mode}: coupling {chosen.best_params_['coupling']:g}, "
        f"weak_reg {chosen.best_params_['weak_reg']:g}, "
        f"accuracy {chosen.score(test_rows, truth):.3f}"
    )

# %%
# Which columns of the face matter
# --------------------------------
#
# The weak side's strength is a fraction of the one at which every column is dropped. Going down
# from there, columns enter one after the other. Drawn in colour are those that carry the person.

strengths = np.geomspace(1.0, 0.02, 25)
arm = ARMClassifier(coupling=1.0, warm_start=True, **OPTIONS)
path = np.array(
    [arm.set_params(weak_reg=value).fit(rows, labels).feature_importances_ for value in strengths]
)
figure, axis = plt.subplots(figsize=(6, 4))
axis.plot(strengths, path[:, 10:], color="0.75", linewidth=0.8)
axis.plot(strengths, path[:, :10], linewidth=1.6)
axis.set_xscale("log")
axis.invert_xaxis()
axis.set(
    xlabel="weak_reg (fraction of the strength that empties the weak side)",
    ylabel="norm of the column's coefficients",
    title="Path of the face's columns; noise in grey",
)
figure.tight_layout()

entered = np.argmax(path > 0, axis=0)
first_ten = np.argsort(entered, kind="stable")[:10]
print(f"of the first ten columns to enter, {np.sum(first_ten < 10)} carry the person")
print("columns kept along the path:", (path > 0).sum(axis=1)[::6].tolist())
print(f"relative duality gap at the end of the path: {arm.dual_gap_:.1e}")
plt.show()
