"""
More rows than memory: training on a stream of chunks
=====================================================

A parquet file is read a few hundred rows at a time, and every chunk is one call of
``partial_fit``: no more than a chunk is ever in memory. What has to be known beforehand, the
classes and the scale of the columns, comes from a first walk through the file that keeps sums only.
Needs pyarrow.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import Modalities, MultimodalClassifier
from sk_mmbalance.datasets import load_digits_views

# %%
# A file like those that arrive from elsewhere: one flat table, the columns of both modalities side
# by side, in row groups of 256 rows.

views, y = load_digits_views(return_X_y=True)
order = np.random.default_rng(0).permutation(len(y))
columns = {"digit": y[order]}
for view in views:
    columns |= {f"{view}_{j}": views[view][order, j] for j in range(views[view].shape[1])}
file = Path(tempfile.mkdtemp()) / "digits.parquet"
pq.write_table(pa.table(columns), file, row_group_size=256)


# %%
# A walk through the file. The last row groups are kept for testing.

stored = pq.ParquetFile(file)
groups = range(stored.num_row_groups)
learn, test = groups[:-2], groups[-2:]


def chunks(numbers, size=128):
    """Modalities and classes, a chunk at a time."""
    for batch in stored.iter_batches(size, row_groups=list(numbers)):
        table = pa.Table.from_batches([batch])
        names = table.column_names
        X = {
            view: np.column_stack([table[name] for name in names if name.startswith(f"{view}_")])
            for view in ("upper", "lower")
        }
        yield X, table["digit"].to_numpy()


# %%
# The first walk: scikit-learn's scalers learn from chunks as well.

scalers = {"upper": StandardScaler(), "lower": StandardScaler()}
classes = set()
for X, digits in chunks(learn):
    classes |= set(digits.tolist())
    for view, scaler in scalers.items():
        scaler.partial_fit(X[view])


def scaled(X):
    return Modalities({view: scalers[view].transform(X[view]) for view in X})


# %%
# The others train. Chunks come in another order in every walk, as rows would in an epoch.

rng = np.random.default_rng(0)
clf = MultimodalClassifier(batch_size=32, lr=3e-3, random_state=0)
accuracy = []
for walk in range(8):
    for number in rng.permutation(list(learn)):
        for X, digits in chunks([number]):
            clf.partial_fit(scaled(X), digits, classes=sorted(classes))
    right = [np.mean(clf.predict(scaled(X)) == digits) for X, digits in chunks(test)]
    accuracy.append(np.mean(right))
    print(f"walk {walk + 1}: accuracy on the test rows {accuracy[-1]:.3f}")

# %%
# The curve.

figure, axis = plt.subplots(figsize=(5, 3.2), layout="constrained")
axis.plot(range(1, len(accuracy) + 1), accuracy, marker="o")
axis.set(xlabel="walks through the file", ylabel="accuracy on the test rows", ylim=(0, 1))
plt.show()
