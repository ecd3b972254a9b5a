"""How long training and solving take, beside a hand-written loop or another solver.

=========== ==============================================================================
question    asks for the time of
=========== ==============================================================================
training    joint training, against a PyTorch loop by hand
balancing   negative learning and data remixing, against loops by hand
boosting    alternating training with heads, against a loop by hand
methods     every balancing value, against its own control and the passes of both
loops       every balancing value, against a loop by hand
prediction  probabilities, against the bare network and a softmax
sparse      joint training on wide sparse text, against its dense copy and a loop by hand
arm         the ARM objective, against cvxpy and scikit-learn's linear models
pool        the opinion pool's weights, against cvxpy
=========== ==============================================================================

Two loops are written by hand: "gather", which most people write, gathers each batch by its row
numbers; "slice" gathers the shuffled rows once per epoch and takes contiguous slices, as the
estimators do. Times are CPU seconds in one thread (seconds by the clock on a GPU), the median of
``--repeats``; runs alternate, so that a busy machine disturbs them alike. A table keeps what was
measured on other devices.

    python benchmarks/speed.py                     # all questions: results/training_speed, ...
    python benchmarks/speed.py training --device cuda
    python benchmarks/speed.py arm --rows 1000 --folder somewhere
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from _protocols import RESULTS
from _speed import (
    arm,
    balancing,
    boosting,
    loops,
    methods,
    opinion_pool,
    prediction,
    training,
    wide_sparse,
)
from _speed.timing import Asked, keep
from threadpoolctl import threadpool_limits

#: What is measured, and the table it fills.
QUESTIONS = {
    "training": (training.measure, "training_speed"),
    "balancing": (balancing.measure, "balancing_speed"),
    "boosting": (boosting.measure, "boosting_speed"),
    "methods": (methods.measure, "methods_speed"),
    "loops": (loops.measure, "loops_speed"),
    "prediction": (prediction.measure, "prediction_speed"),
    "sparse": (wide_sparse.measure, "sparse_speed"),
    "arm": (arm.measure, "arm_speed"),
    "pool": (opinion_pool.measure, "opinion_pool_speed"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", help=f"of {', '.join(QUESTIONS)}; else all")
    parser.add_argument("--device", default="cpu", help="of the networks")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=float, default=math.inf, help="only up to so many rows")
    parser.add_argument("--folder", type=Path, default=RESULTS)
    args = parser.parse_args()
    unknown = set(args.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"no question {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")
    torch.set_num_threads(1)
    asked = Asked(torch.device(args.device), args.repeats, args.rows)
    with threadpool_limits(1):
        for question in args.questions or QUESTIONS:
            measure, table = QUESTIONS[question]
            keep(table, measure(asked), args.folder)


if __name__ == "__main__":
    main()
