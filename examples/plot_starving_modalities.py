"""
How joint training starves a modality
=====================================

Convolutional networks on written and spoken digits, trained for up to 32 epochs, measured on
speakers that were left out. The figures come from ``benchmarks/starved_modalities.py
curves``, which takes minutes; this page draws what that benchmark has measured.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
file = here.parent / "benchmarks" / "results" / "end_to_end_curves.csv.xz"
curves = pd.read_csv(file, header=None, index_col=0).T.astype({"epoch": int, "value": float})
mean = curves.groupby(["dataset", "metric", "method", "epoch"])["value"].mean()

# %%
# One modality in three networks
# ------------------------------
#
# A network of its own shows what a modality can do. Inside joint training, "others masked" is what
# the fused classifier makes of it, "linear probe" what its embedding still knows; with a loss per
# modality it has a classifier of its own.

lines = {
    "own network": ("own network", "k-"),
    "joint": ("joint: others masked", "C3--"),
    "joint: linear probe": ("joint: linear probe", "C3-"),
    "joint, a loss per modality": ("a loss per modality: own head", "C0-"),
}
names = {"avdigits:raw": "avdigits", "avdigits_weakimage:raw": "avdigits_weakimage"}
sets = [name for name in names if name in set(curves["dataset"])]
figure, axes = plt.subplots(
    len(sets), 2, figsize=(9, 3.4 * len(sets)), sharex=True, squeeze=False, layout="constrained"
)
for row, dataset in zip(axes, sets, strict=True):
    for ax, modality in zip(row, ("image", "audio"), strict=True):
        for method, (label, style) in lines.items():
            curve = mean[dataset, f"accuracy[{modality}]", method]
            ax.plot(curve.index, 100 * curve, style, label=label)
        ax.set(xscale="log", title=f"{names[dataset]}: {modality}", ylim=(0, 100))
        ax.set_xticks(curve.index, curve.index)
        ax.grid(alpha=0.3)
        ax.title.set_fontsize("medium")
    row[0].set_ylabel("accuracy on new speakers, %")
for ax in axes[-1]:
    ax.set_xlabel("epochs")
axes[0, 0].legend(fontsize="small")
plt.show()
