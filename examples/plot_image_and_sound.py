"""
A written digit and its tones
=============================

Pictures and sounds go into one network as they are, and each gets an encoder of its kind: the
pictures are scikit-learn's handwritten digits (8 by 8 pixels), the sounds the two tones by which a
telephone dials a digit, drowned in noise and turned into a spectrogram here. Which of the two does
the network lean on, and what is left when the line is dead?
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import spectrogram
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sk_mmbalance import Modalities, MultimodalClassifier
from sk_mmbalance.inspection import (
    BalanceCurveDisplay,
    ModalityContributionDisplay,
    modality_contributions,
)

# %%
# Pictures and sounds
# -------------------
#
# A key sounds with the tone of its row and that of its column, 0.1 s at 8 kHz. The noise is twice
# as loud as the tones.

LOW = {"1": 697, "2": 697, "3": 697, "4": 770, "5": 770, "6": 770, "7": 852, "8": 852, "9": 852}
HIGH = dict(zip("123456789", [1209, 1336, 1477] * 3, strict=True))
LOW["0"], HIGH["0"] = 941, 1336


def dial(digit, rng, loud=2.0):
    """Spectrogram of a digit's tones in noise: 1 channel, frequencies from 600 Hz on, time."""
    time = np.arange(800) / 8000
    tones = np.sin(2 * np.pi * LOW[str(digit)] * time) + np.sin(2 * np.pi * HIGH[str(digit)] * time)
    sound = tones + loud * rng.normal(size=len(time))
    frequency, _, power = spectrogram(sound, 8000, nperseg=256, noverlap=128)
    kept = (frequency > 600) & (frequency < 1600)
    return np.log(power[kept] + 1e-9)[None]


rng = np.random.default_rng(0)
pixels, digit = load_digits(return_X_y=True)
image = pixels.reshape(-1, 1, 8, 8) / 16
sound = np.stack([dial(d, rng) for d in digit])
sound = (sound - sound.mean()) / sound.std()
X = Modalities(image=image, sound=sound)
train, test = train_test_split(np.arange(len(digit)), test_size=0.5, random_state=0, stratify=digit)
print(X)

# %%
# One network
# -----------
#
# Arrays with channels get convolutions; tables would get layers of neurons. Every modality also has
# a classifier of its own (``unimodal_weight``), whose accuracy is followed while both learn.

model = MultimodalClassifier(max_epochs=15, lr=3e-3, random_state=0, dtype="float32")
model.fit(X[train], digit[train])
proba = model.unimodal_predict_proba(X[test])
print(f"together {model.score(X[test], digit[test]):.3f}")
for name, p in proba.items():
    print(f"{name:8} {(p.argmax(axis=1) == digit[test]).mean():.3f} by itself")

# %%
# What each is worth, and a dead line
# -----------------------------------
#
# Together they are right where either is in doubt. But zeros in place of the sound, as in much
# published code, are a sound that never occurs, and mislead the network. One that was trained with
# ``missing="mask"`` on rows of which a third lack their sound does as well as pictures can.

worth = modality_contributions(model, X[test], digit[test], n_repeats=3, random_state=0)
print(worth.table[["contribution", "low", "high", "alone"]].round(3))

dead = sound.copy()
dead[train[::3]] = np.nan
dead[test] = np.nan
prepared = MultimodalClassifier(
    max_epochs=15, lr=3e-3, random_state=0, dtype="float32", missing="mask"
).fit(Modalities(image=image, sound=dead)[train], digit[train])
quiet = Modalities(image=image, sound=dead)[test]
print(f"trained with gaps, no sound at all: {prepared.score(quiet, digit[test]):.3f}")
silence = Modalities(image=image, sound=np.zeros_like(sound))[test]
print(f"trained without,   zeros as sound:  {model.score(silence, digit[test]):.3f}")

figure = plt.figure(figsize=(10, 5.6), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.5])
for k, ax in enumerate(top.subplots(1, 6)):
    row = np.flatnonzero(digit == 4 + k // 2)[0]
    shown = image[row, 0] if k % 2 == 0 else sound[row, 0][::-1]
    ax.imshow(shown, cmap="gray_r" if k % 2 == 0 else "magma", aspect="auto")
    ax.set(xticks=[], yticks=[], title=f"{digit[row]}, {'written' if k % 2 == 0 else 'dialled'}")
axes = bottom.subplots(1, 2)
BalanceCurveDisplay.from_estimator(model, ax=axes[0])
ModalityContributionDisplay.from_contributions(worth, ax=axes[1])
plt.show()
