"""A progress bar over epochs, and one line at the end."""

from __future__ import annotations

from typing import Any

from skorch.callbacks import Callback
from tqdm.auto import tqdm


class EpochBar(Callback):
    """Show epochs, losses and accuracies while a fit runs."""

    def __init__(self, title: str, max_epochs: int):
        self.title = title
        self.max_epochs = max_epochs

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Open the bar."""
        self.bar_ = tqdm(total=self.max_epochs, desc=self.title, unit="epoch")

    def state_dict(self) -> dict[str, int]:
        """Where the bar stands, for a checkpoint."""
        return {"n": self.bar_.n}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there."""
        self.bar_.update(state["n"] - self.bar_.n)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Move on by one epoch."""
        row = net.history[-1]
        shown = ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
        self.bar_.set_postfix({key: f"{row[key]:.3f}" for key in shown if key in row})
        self.bar_.update()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Close the bar and say what was learnt."""
        self.bar_.close()
        del self.bar_
        row = net.history[-1]
        figure = "accuracy" if "train_accuracy" in row else "loss"  # numbers have no accuracy
        part = "valid" if f"valid_{figure}" in row else "train"
        key = f"{part}_{figure}"
        own = ", ".join(
            f"{name.split('__')[0]} {row[name]:.3f}" for name in row if name.endswith(f"__{key}")
        )
        tqdm.write(
            f"{self.title}: {len(net.history)} epochs, {part} {figure} {row[key]:.3f}"
            + (f" (alone: {own})" if own else "")
        )
