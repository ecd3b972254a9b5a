"""
How the time of a fit grows
===========================

CPU seconds of one thread as one thing grows and the others stay small, on log axes: a straight line
is a power law, and its slope the power. The figures come from ``benchmarks/scale.py``; this page
draws them.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
results = here.parent / "benchmarks" / "results"


def read(name):
    return pd.read_csv(results / f"{name}.csv.xz", header=None, index_col=0).T


table = read("scale").astype({"size": float, "value": float})
questions = list(dict.fromkeys(table["question"]))
methods = list(dict.fromkeys(table["method"]))

# %%
# Networks are trained for two epochs in batches of 128, federated averaging for two rounds with all
# clients.

figure, axes = plt.subplots(1, len(questions), figsize=(14, 3.6), sharey=True, layout="constrained")
for axis, question in zip(axes, questions, strict=True):
    for k, method in enumerate(methods):
        part = table[(table["question"] == question) & (table["method"] == method)]
        if len(part):
            axis.loglog(part["size"], part["value"], marker=".", color=f"C{k}", label=method)
    axis.set(xlabel=question)
axes[0].set_ylabel("CPU seconds")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %%
# Slopes over the upper half of the sizes: 1 is linear. What lies below 1 still pays for something
# that does not grow.

print(
    read("scale_growth").pivot(index="method", columns="question", values="slope").reindex(methods)
)
