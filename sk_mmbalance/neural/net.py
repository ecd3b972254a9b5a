"""`MultimodalNet`: the skorch net that every method builds on, and the only code that bends skorch.

Two things are changed, for speed, with the results left alone:

- batches are slices of tensors that are on the device already (`RowBatches`), not collated row by
  row in Python;
- figures of an epoch are added up on the device and read once (`EpochLog`), so that no step waits
  for the device. Per-batch events and per-batch history are produced only if a callback wants them.

A method overrides what skorch names for the purpose: `get_loss` for another loss, `train_step`
for another kind of step, `on_epoch_begin` and `on_epoch_end` for what happens between epochs.

With `remixing`, later epochs are cut into batches of one modality each. Such a batch holds the
inputs of that modality alone and names it in ``X["assigned"]``; its loss is that of `remix`, not
`get_loss`. A `train_step` of one's own that works modality by modality does so for the modalities
in ``X["inputs"]``, and thereby for the assigned one.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, LRScheduler, PassthroughScoring
from torch import Tensor

from ..exceptions import DivergenceError
from ..networks import (
    Batch,
    EpochLog,
    ModalityRows,
    MultimodalOutput,
    RowBatches,
    mean_criterion,
    unimodal_losses,
)
from ._training import clear_gradients, start_momentum
from .remix import RemixedBatches, Remixing, begin_epoch, remixed_loss

_PREDICT_BATCH = 4096  # no gradients are kept: larger batches cost nothing but memory


class TrainingStopped(Exception):
    """A callback ended the training (skorch uses KeyboardInterrupt for this, as for Ctrl-C)."""


class MultimodalNet(NeuralNet):
    """Trains a `MultimodalModule` with cross-entropy, and optionally a loss per modality.

    Parameters
    ----------
    *args
        As in `skorch.NeuralNet`.
    unimodal_weight : float, default=0.0
        Weight of the sum of the modalities' own cross-entropies.
    seed : int, default=0
        Seed of the order of rows.
    amp : bool, default=False
        Whether to run the network in bfloat16 where that is safe.
    remixing : Remixing, default=None
        When epochs are remixed, and how.
    **kwargs
        As in `skorch.NeuralNet`.
    """

    def __init__(
        self,
        *args: Any,
        unimodal_weight: float = 0.0,
        seed: int = 0,
        amp: bool = False,
        remixing: Remixing | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.unimodal_weight = unimodal_weight
        self.seed = seed
        self.amp = amp
        self.remixing = remixing
        #: whether the batch at hand is one on which the modalities are measured
        self.measuring = True

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
        ]

    # -- what a method may override --------------------------------------------------------

    @property
    def trains_modalities(self) -> bool:
        """Whether the loss needs the modalities' own logits."""
        return bool(self.unimodal_weight)

    def get_loss(
        self, y_pred: MultimodalOutput, y_true: Tensor, X: Any = None, training: bool = False
    ) -> Tensor:
        """Weighted mean cross-entropy of the fused logits; in training also of the modalities'."""
        weight = X.get("weight")
        loss = mean_criterion(self.criterion_, y_pred.logits, y_true, weight)
        if training and self.unimodal_weight:
            own = unimodal_losses(
                self.criterion_, y_pred.unimodal, y_true, weight, X.get("present")
            )
            loss = loss + self.unimodal_weight * sum(own.values())
        return loss

    def train_step_single(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """Compute loss and gradients of one batch."""
        X, y = batch
        if self.remixing is not None and "assigned" in X:
            output = self.infer(X, unimodal=self._module().has_own_logits)
            loss = remixed_loss(self, self.remixing, output, batch)
        else:
            output = self.infer(X, unimodal=self.measuring or self.trains_modalities)
            loss = self.get_loss(output, y, X=X, training=True)
        loss.backward()
        return {"loss": loss, "y_pred": output}

    def train_step(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """One step of the optimiser."""
        if self.needs_closure_:
            return super().train_step(batch, **fit_params)
        clear_gradients(self.optimizer_)
        step = self.train_step_single(batch, **fit_params)
        self._notify_gradients(batch)
        self.optimizer_.step()
        return step

    def infer(self, x: dict[str, Any], **fit_params: Any) -> MultimodalOutput:
        """Run the network on one batch."""
        if self.amp:
            with torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16):
                output = self.module_(x["inputs"], x.get("present"), **fit_params)
            return MultimodalOutput(
                output.logits.float(), {m: z.float() for m, z in output.unimodal.items()}
            )
        return self.module_(x["inputs"], x.get("present"), **fit_params)

    # -- batches ---------------------------------------------------------------------------

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Rows are made by the estimator; nothing to wrap."""
        return X

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Batches by slice; skorch's own loader for anything that is not `ModalityRows`."""
        if not isinstance(dataset, ModalityRows):
            return super().get_iterator(dataset, training=training)
        size = self.batch_size if training else max(self.batch_size, _PREDICT_BATCH)
        device = torch.device(self.device)
        if training and self.remixing is not None:
            return RemixedBatches(self.remixing, dataset, size, device, seed=self.seed)
        return RowBatches(dataset, size, device, seed=self.seed if training else None)

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """One pass over the rows, with one aggregated entry in the history."""
        if iterator is None:
            return
        if isinstance(iterator, RowBatches):
            iterator.epoch = len(self.history) - 1
        of_remixing: dict[str, Any] = {}
        if isinstance(iterator, RemixedBatches):
            of_remixing = begin_epoch(self, iterator)
        remixed = of_remixing.get("remixed", False)
        events = self._wants_batch_events()
        log = EpochLog(self._module().names, self.criterion_)
        self._set_training(training)
        n_batches = len(iterator)
        for batch in iterator:
            self.measuring = not training or (not remixed and self.wants_modalities(log, n_batches))
            if events:
                self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            if remixed:  # accuracies are those of the pass over all rows, see `begin_epoch`
                log.add_loss(step["loss"], len(batch[1]))
            else:
                log.add(step["loss"], step["y_pred"], batch, self.measuring)
            if events:
                self.history.record_batch(f"{prefix}_loss", step["loss"].item())
                self.history.record_batch(f"{prefix}_batch_size", len(batch[1]))
                logits = step["y_pred"].logits.detach()
                self.notify(
                    "on_batch_end",
                    batch=batch,
                    training=training,
                    loss=step["loss"],
                    y_pred=logits,
                )
        figures = log.summary(prefix)
        if not events:
            # One entry for the whole epoch is all that skorch's scoring callbacks look at.
            self.history.new_batch()
            self.history.record_batch(f"{prefix}_loss", figures[f"{prefix}_loss"])
            self.history.record_batch(f"{prefix}_batch_size", log.n_rows)
        self.history.record(f"{prefix}_batch_count", log.n_batches)
        for key, value in {**figures, **of_remixing}.items():
            self.history.record(key, value)
        if training:
            self._refuse_divergence(figures["train_loss"])

    def wants_modalities(self, log: EpochLog, n_batches: int) -> bool:
        """Whether to measure the modalities on the next batch of a training epoch."""
        return log.wants_modalities(n_batches, self.batch_size)

    def _refuse_divergence(self, loss: float) -> None:
        if loss - loss != 0:  # NaN or infinite
            raise DivergenceError(
                f"The training loss became {loss} in epoch {len(self.history)}. Scale the "
                f"modalities (ModalityTransformer with StandardScaler), or lower `lr` (now "
                f"{self.lr:g})."
            )

    def _wants_batch_events(self) -> bool:
        def wants(callback: Any) -> bool:
            if isinstance(callback, LRScheduler) and callback.step_every == "epoch":
                return False
            return any(
                getattr(type(callback), event, None) is not getattr(Callback, event)
                for event in ("on_batch_begin", "on_batch_end")
            )

        return any(wants(callback) for _, callback in self.callbacks_)

    def _notify_gradients(self, batch: Batch) -> None:
        if any(
            type(callback).on_grad_computed is not Callback.on_grad_computed
            for _, callback in self.callbacks_
        ):
            named = list(self.get_all_learnable_params())
            self.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)

    def initialize_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        """Make the optimiser, and see whether its step needs a closure (as LBFGS's does)."""
        super().initialize_optimizer(*args, **kwargs)
        closure = inspect.signature(type(self.optimizer_).step).parameters.get("closure")
        self.needs_closure_ = closure is not None and closure.default is inspect.Parameter.empty
        if self.needs_closure_ and self.remixing is not None:
            raise ValueError(
                f"`optimizer` {type(self.optimizer_).__name__} moves all weights in every step and "
                "cannot train one modality at a time. Use 'adamw', 'adam' or 'sgd', or "
                "remix_after=None."
            )
        start_momentum(self.optimizer_)
        return self

    # -- prediction ------------------------------------------------------------------------

    def evaluation_step(self, batch: Batch, training: bool = False) -> Tensor:
        """Fused logits of a batch."""
        return self.evaluate(batch, unimodal=False).logits

    def evaluate(self, batch: Batch, unimodal: bool = True) -> MultimodalOutput:
        """Fused and unimodal logits of a batch, without gradient."""
        self.check_is_fitted()
        self._set_training(False)
        with torch.inference_mode():
            return self.infer(batch[0], unimodal=unimodal)

    def evaluate_rows(self, rows: ModalityRows, unimodal: bool = True) -> MultimodalOutput:
        """Fused and unimodal logits of all rows, in main memory."""
        parts = [self.evaluate(batch, unimodal) for batch in self.get_iterator(rows)]
        logits = torch.cat([part.logits for part in parts]).cpu()
        names = parts[0].unimodal
        return MultimodalOutput(
            logits, {m: torch.cat([part.unimodal[m] for part in parts]).cpu() for m in names}
        )

    def embed_rows(self, rows: ModalityRows) -> dict[str, Tensor]:
        """Embeddings of all rows, in main memory."""
        self.check_is_fitted()
        self._set_training(False)
        module = self._module()
        with torch.inference_mode():
            parts = [
                module.encode(X["inputs"], X.get("present")) for X, _ in self.get_iterator(rows)
            ]
        return {name: torch.cat([part[name] for part in parts]).cpu() for name in module.names}

    def predict(self, X: Any) -> Any:
        """Class codes of all rows (what skorch's scoring callbacks call)."""
        return self.predict_proba(X).argmax(axis=1)

    def _module(self) -> Any:
        """Return the network itself, also when it is compiled."""
        return getattr(self.module_, "_orig_mod", self.module_)

    # -- stopping --------------------------------------------------------------------------

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the net's own hook, then the callbacks'; tell early stopping from Ctrl-C."""
        getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt:
                if isinstance(callback, EarlyStopping):
                    raise TrainingStopped from None
                raise

    def train(self, rows: ModalityRows, valid: ModalityRows | None, epochs: int) -> bool:
        """Train for at most `epochs` epochs; on Ctrl-C go back to the last whole epoch.

        Returns
        -------
        bool
            Whether the training was interrupted by Ctrl-C.
        """
        if not self.initialized_:
            self.initialize()
        self.train_split = None if valid is None else _FixedSplit(valid)
        self._last_state: tuple[int, dict[str, Tensor]] | None = None
        interrupted = False
        self.notify("on_train_begin", X=rows, y=rows.codes)
        try:
            self.fit_loop(rows, epochs=epochs)
        except TrainingStopped:
            pass
        except KeyboardInterrupt:
            interrupted = True
            self._go_back_to_last_epoch()
        if len(self.history):
            self.notify("on_train_end", X=rows, y=rows.codes)
        # the net stays with the estimator; rows and copies of weights must not
        self.train_split = None
        del self._last_state
        return interrupted

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Keep the weights of the last whole epoch."""
        super().on_epoch_end(net, **kwargs)
        state = {key: value.clone() for key, value in self.module_.state_dict().items()}
        self._last_state = (len(self.history), state)

    def _go_back_to_last_epoch(self) -> None:
        n_epochs, state = self._last_state or (len(self.history) - 1, None)
        while len(self.history) > n_epochs:
            del self.history[-1]
        if state is not None:
            self.module_.load_state_dict(state)


class _FixedSplit:
    """A split that was made beforehand."""

    def __init__(self, valid: ModalityRows):
        self.valid = valid

    def __call__(self, rows: ModalityRows, y: Any = None, **kwargs: Any) -> Any:
        return rows, self.valid
