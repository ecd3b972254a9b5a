"""Early stopping that keeps the best weights without walking through thousands of modules."""

from __future__ import annotations

from typing import Any

from skorch.callbacks import EarlyStopping

from ..networks import load_state


class BestWeights(EarlyStopping):
    """skorch's early stopping, which asks the net for a copy of its weights."""

    load_best: bool
    best_model_weights_: Any

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Count epochs without improvement, and keep the weights of the best."""
        wanted, self.load_best = self.load_best, False  # skorch would copy them one by one
        try:
            super().on_epoch_end(net, **kwargs)
        finally:
            self.load_best = wanted
        if wanted and self.best_epoch_ == net.history[-1, "epoch"]:
            self.best_model_weights_ = net.copied_weights()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Go back to the best weights."""
        last = net.history[-1, "epoch"]
        if self.load_best and self.best_epoch_ != last and self.best_model_weights_ is not None:
            load_state(net.module_, self.best_model_weights_)
