"""Early stopping that keeps the best weights without walking through thousands of modules."""

from __future__ import annotations

from typing import Any

from skorch.callbacks import EarlyStopping


class BestWeights(EarlyStopping):
    """skorch's early stopping, which asks the net for a copy of its weights."""

    load_best: bool

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Count epochs without improvement, and keep the weights of the best."""
        wanted, self.load_best = self.load_best, False  # skorch would copy them one by one
        try:
            super().on_epoch_end(net, **kwargs)
        finally:
            self.load_best = wanted
        if wanted and self.best_epoch_ == net.history[-1, "epoch"]:
            self.best_model_weights_ = net.copied_weights()
