"""
A factor on the gradient is no factor on the step
=================================================

Many methods against imbalance multiply the gradient of the modality that is ahead by a factor below
one, so that it learns more slowly. Whether it does depends on the optimiser: those of Adam's kind
divide every gradient by its own running size, and a constant factor cancels out.

The experiment is as small as can be: one encoder's gradients are multiplied by a constant, and the
distance is measured that its weights travel in five epochs.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import ModalityTransformer, MultimodalClassifier
from sk_mmbalance.balancing import Balancing
from sk_mmbalance.datasets import load_digits_views

X, y = load_digits_views(return_X_y=True)
X = ModalityTransformer({}, remainder=StandardScaler()).fit_transform(X)


# %%
# A method is a value with hooks: this one scales what the encoder of the upper half learns, either
# its gradients, as published methods do, or the step that the optimiser made of them.


@dataclass(kw_only=True, eq=False, repr=False)
class SlowerEncoder(Balancing):
    """Multiplies what one encoder learns in every step by a constant."""

    factor: float = 1.0
    scale: str = "gradient"

    def after_backward(self, net, batch, output):
        """Scale the gradients, or remember where the step starts."""
        weights = list(net.network.backbones["upper"].parameters())
        if self.scale == "gradient":
            for weight in weights:
                weight.grad *= self.factor
        else:
            self._starts = [(weight, weight.detach().clone()) for weight in weights]

    @torch.no_grad()
    def after_step(self, net):
        """Scale the step."""
        for weight, start in self.__dict__.pop("_starts", ()):
            weight.copy_(torch.lerp(start, weight, self.factor))


def weights_after(optimizer, factor, scale, n_epochs=5):
    clf = MultimodalClassifier(
        balancing=SlowerEncoder(factor=factor, scale=scale),
        optimizer=optimizer,
        lr=0.01 if optimizer == "sgd" else 1e-3,
        max_epochs=n_epochs,
        early_stopping=False,
        random_state=0,
    ).fit(X, y)
    parts = clf.net_.network.backbones["upper"].parameters()
    return torch.cat([part.detach().flatten() for part in parts])


FACTORS = np.array([1.0, 0.3, 0.1, 0.03, 0.01])
start = weights_after("sgd", 0.0, "step", n_epochs=1)  # the same seed: as they were drawn

# %%
# Under SGD an encoder whose gradients are a tenth travels about a tenth of the way. Under Adam and
# AdamW it travels as far as ever: their curves are flat. Scaling the *step* does what was meant
# under any optimiser; that is what ``scale="auto"`` does in
# :class:`~sk_mmbalance.balancing.OGM` and its kin.

figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for optimizer, scale, style in [
    ("sgd", "gradient", "o-"),
    ("adam", "gradient", "s-"),
    ("adamw", "gradient", "^--"),
    ("adamw", "step", "d:"),
]:
    ways = [(weights_after(optimizer, f, scale) - start).norm().item() for f in FACTORS]
    ax.plot(FACTORS, np.array(ways) / ways[0], style, label=f"{optimizer}, factor on the {scale}")
    print(f"{optimizer:6s} {scale:9s}", dict(zip(FACTORS.tolist(), np.round(ways, 3), strict=True)))
ax.plot(FACTORS, FACTORS, color="0.7", zorder=0, label="as the factor says")
ax.set(
    xscale="log",
    yscale="log",
    xlabel="factor",
    ylabel="way of the encoder's weights\n(relative to a factor of 1)",
)
ax.invert_xaxis()
ax.legend(frameon=False)
plt.show()
