"""`MultimodalNet`: the skorch net of every neural estimator. With its bases it alone bends skorch.

Two things are changed, for speed, with the results left alone:

- batches are slices of tensors that are on the device already (`RowBatches`), not collated row by
  row in Python;
- figures of an epoch are added up on the device and read once (`EpochLog`), so that no step waits
  for the device. Per-batch events and per-batch history are produced only if a callback wants them.

The net knows no balancing method by name. It holds a list of them, `methods`, and at each moment
that `sk_mmbalance.balancing.Balancing` names it asks those that have something to do there. A
method may cut batches of its own; such a batch says so in ``X["cut_by"]``, and its loss is that
method's, not `get_loss`. A batch may carry what a method knows of its rows, in ``X["extras"]``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from sklearn.utils import ClassifierTags
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, LRScheduler, PassthroughScoring
from skorch.dataset import Dataset
from torch import Tensor, nn

from ..balancing import Balancing, changed_loss, hooks_of
from ..exceptions import DivergenceError
from ..networks import (
    Batch,
    EpochLog,
    JoinedParameters,
    ModalityRows,
    MultimodalModule,
    MultimodalOutput,
    RowBatches,
    joint_loss,
    load_state,
)
from ._checkpoints import TrainingCheckpoint
from ._divergence import refuse_weights_not_finite
from ._predicting import PredictingNet
from ._progress import EpochBar
from ._stopping import BestWeights
from ._training import BY_ELEMENT, clear_gradients
from ._turns import Turns

#: Attributes that are the state of one training; skorch would take them for parameters.
_STATE = {"measuring", "batch_number", "n_batches", "whole_rows_until", "sums", "_joined", "_turns"}

#: Callbacks that look at no parameter and at nothing that an optimiser remembers.
_BLIND = (BestWeights, EarlyStopping, EpochBar, EpochTimer, LRScheduler, PassthroughScoring)

#: Hooks of methods that look at gradients, at the optimiser, or at weights between the steps.
_LOOKING = ("step", "gradients", "after_backward", "after_step")

#: Callbacks that the estimator makes and that the training of another network needs.
_OF_THE_ESTIMATOR = ("early_stopping", "lr_schedule")


class TrainingStopped(Exception):
    """A callback ended the training (skorch uses KeyboardInterrupt for this, as for Ctrl-C)."""


class MultimodalNet(PredictingNet):
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
    methods : sequence of Balancing, default=()
        Balancing methods, in the order in which they are asked. They belong to this net.
    predict_batch_size : int or "auto", default="auto"
        Rows per batch where nothing is trained.
    n_classes : int, default=None
        Number of classes, for scoring callbacks that ask for it.
    **kwargs
        As in `skorch.NeuralNet`.
    """

    def __init__(
        self,
        *args: Any,
        unimodal_weight: float = 0.0,
        seed: int = 0,
        amp: bool = False,
        methods: Sequence[Balancing] = (),
        predict_batch_size: Any = "auto",
        n_classes: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.unimodal_weight = unimodal_weight
        self.seed = seed
        self.amp = amp
        self.predict_batch_size = predict_batch_size
        self.n_classes = n_classes
        self.use_methods(methods)
        #: whether the batch at hand is one on which the modalities are measured
        self.measuring = True
        self.batch_number = self.n_batches = 0
        #: figures of the steps so far, by the columns that they are for
        self._noted: dict[tuple[str, ...], list[Tensor]] = {}
        self.sums: dict[str, Tensor] = {}

    #: where a training writes how far it has come
    _checkpoint: TrainingCheckpoint | None = None
    #: the parameters of many equal modalities as one each, while training lasts
    _joined: JoinedParameters | None = None
    #: whose parameters are whose, for steps of one modality, and the generation that this holds for
    _turns: tuple[int, Turns] | None = None
    #: epochs of the last whole one, and the weights after it, while training lasts
    _last_state: tuple[int, dict[str, Tensor] | None]

    def _get_param_names(self) -> list[str]:
        return [name for name in super()._get_param_names() if name not in _STATE]

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
        ]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        return tags

    # -- the step --------------------------------------------------------------------------

    @property
    def trains_modalities(self) -> bool:
        """Whether the loss needs the modalities' own logits."""
        return bool(self.unimodal_weight) or any(
            method.needs_own_logits(self) for method in self._hooks["needs_own_logits"]
        )

    def get_loss(
        self, y_pred: MultimodalOutput, y_true: Tensor, X: Any = None, training: bool = False
    ) -> Tensor:
        """Weighted mean criterion of the fused logits; in training also of the modalities'."""
        own = self.unimodal_weight if training else 0.0

        def joint() -> Tensor:
            return joint_loss(self.criterion_, y_pred, y_true, X, own)

        if not training:
            return joint()
        return changed_loss(self._hooks["loss"], self, y_pred, (X, y_true), joint)

    def train_step_single(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """Compute loss and gradients of one batch."""
        X, y = batch
        if not self.methods:
            output = self.infer(X, unimodal=self.measuring or bool(self.unimodal_weight))
            loss = self.get_loss(output, y, X=X, training=True)
            loss.backward()
            return {"loss": loss, "y_pred": MultimodalOutput(output.logits, output.unimodal)}
        cut_by = X.get("cut_by")
        for method in self._acting("gradients", X):
            step = method.gradients(self, batch)
            if step is not None:
                return step
        if cut_by is not None:
            output = self.infer(X, unimodal=self.network.has_own_logits)
            loss = cut_by.part_loss(self, output, batch)
        else:
            output = self._forward(batch, self.measuring or self.trains_modalities)
            loss = self.get_loss(output, y, X=X, training=True)
        loss.backward()
        for method in self._acting("after_backward", X):
            method.after_backward(self, batch, output)
        # embeddings are let go before the optimiser steps: the next batch takes their memory
        return {"loss": loss, "y_pred": MultimodalOutput(output.logits, output.unimodal)}

    def _acting(self, hook: str, X: dict[str, Any]) -> list[Any]:
        """Methods that take part in a moment of this batch."""
        if "cut_by" not in X:
            return self._hooks[hook]
        return [method for method in self._hooks[hook] if method._takes_parts]

    def _forward(self, batch: Batch, unimodal: bool) -> MultimodalOutput:
        for method in self._hooks["forward"]:
            output = method.forward(self, batch, unimodal)
            if output is not None:
                return output
        return self.infer(batch[0], unimodal=unimodal)

    def train_step(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """One step of the optimiser."""
        if self.methods:
            self.sync_optimizer()
            for method in self._acting("step", batch[0]):
                step = method.step(self, batch)
                if step is not None:
                    return step
        if self.needs_closure_:
            return super().train_step(batch, **fit_params)
        clear_gradients(self.optimizer_)
        step = self.train_step_single(batch, **fit_params)
        self.apply_gradients(batch)
        if self.methods:
            for method in self._acting("after_step", batch[0]):
                method.after_step(self)
        return step

    def clear_gradients(self) -> None:
        """Set all gradients to None."""
        clear_gradients(self.optimizer_)

    @contextmanager
    def turn_of(self, name: str, batch: Batch) -> Iterator[None]:
        """Context for gradients of one modality alone: before it none, and a step after it."""
        if self._turns is None or self._turns[0] != self._generation():
            clear_gradients(self.optimizer_)
            self._turns = (self._generation(), Turns(self.network, self.optimizer_))
        with self._turns[1].of(name):
            clear_gradients(self.optimizer_)
            yield
            self.apply_gradients(batch)
            clear_gradients(self.optimizer_)  # they are nothing to the next one

    def apply_gradients(self, batch: Batch) -> None:
        """Tell the callbacks of the gradients, and take a step of the optimiser."""
        self._notify_gradients(batch)
        if self._joined is not None and self._joined.scattered():
            self._release_parameters()  # a modality by itself: the others take no step
        self.optimizer_.step()

    # -- balancing methods -----------------------------------------------------------------

    def use_methods(self, methods: Sequence[Balancing]) -> None:
        """Train with these balancing methods from now on."""
        self.methods = tuple(methods)
        self._hooks = hooks_of(self.methods)
        self.whole_rows_until = min((m.first_parts() for m in self.methods), default=math.inf)

    def running(self, method: Balancing) -> nn.Module:
        """What a method keeps from step to step."""
        return self.network.running[type(method).__name__]

    def note(self, figures: dict[str, Tensor]) -> None:
        """Keep figures of a step, by their column; the history gets their means over the epoch."""
        for key, value in figures.items():
            self._noted.setdefault((key,), []).append(value)

    def note_each(self, figure: str, values: Tensor) -> None:
        """Keep a figure of every modality, (n_modalities,), by name in the columns of `note`."""
        columns = tuple(f"{name}__{figure}" for name in self.network.names)
        self._noted.setdefault(columns, []).append(values)

    def add_up(self, key: str, value: Tensor) -> None:
        """Add to a sum of this epoch."""
        self.sums[key] = self.sums[key] + value if key in self.sums else value

    def train_like(
        self,
        module: MultimodalModule,
        rows: ModalityRows,
        valid: Any,
        epochs: int,
        stops_early: bool = True,
    ) -> None:
        """Train another network by itself: same optimiser, batches, seed and stopping."""
        settings = self.get_params(deep=False)
        wanted = _OF_THE_ESTIMATOR if stops_early else _OF_THE_ESTIMATOR[1:]
        kept = [(name, cb) for name, cb in self._named_callbacks() if name in wanted]
        settings |= {
            "module": module,
            "callbacks": copy.deepcopy(kept),
            "max_epochs": epochs,
            "train_split": None,
            "unimodal_weight": 0.0,
            "methods": (),
        }
        settings = {k: v for k, v in settings.items() if not k.startswith("callbacks__")}
        other = type(self)(**settings)
        if other.initialize().train(rows, valid, epochs):
            raise KeyboardInterrupt

    def restart_patience(self) -> None:
        """Let early stopping count its epochs without improvement from now on."""
        for _, callback in self.callbacks_:
            if isinstance(callback, EarlyStopping):
                callback.misses_ = 0

    def _named_callbacks(self) -> list[tuple[str, Any]]:
        return [cb for cb in self.callbacks or [] if isinstance(cb, tuple)]

    # -- batches ---------------------------------------------------------------------------

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Batches by slice, in training those that a method cuts."""
        if not training or not isinstance(dataset, ModalityRows):
            return super().get_iterator(dataset, training=training)
        plain = RowBatches(dataset, self.batch_size, torch.device(self.device), seed=self.seed)
        for method in self._hooks["batches"]:
            batches = method.batches(self, plain)
            if batches is not None:
                return batches
        return plain

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """One pass over the rows, with one aggregated entry in the history."""
        if iterator is None:
            return
        if isinstance(iterator, RowBatches):
            iterator.epoch = len(self.history) - 1
        begun: dict[str, Any] = {}
        for method in self._hooks["begin_pass"] if training else ():
            begun.update(method.begin_pass(self, iterator))
        # by the method, and better than the pass could
        measured = any(key.endswith("__train_loss") for key in begun)
        events = self._wants_batch_events()
        log = EpochLog(self.network.names, self.criterion_)
        self._set_training(training)
        n_batches = self.n_batches = len(iterator)
        for number, batch in enumerate(iterator):
            self.batch_number = number
            self.measuring = not training or (
                not measured and self.wants_modalities(log, n_batches)
            )
            if events:
                self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            if training and measured:
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
        self.record_pass(prefix, figures[f"{prefix}_loss"], log.n_rows, log.n_batches, events)
        for key, value in {**figures, **begun}.items():
            self.history.record(key, value)
        for columns, values in self._noted.items():
            of_steps = torch.stack(values, dim=-1).view(len(columns), -1)
            for column, numbers in zip(columns, of_steps, strict=True):
                self.history.record(column, numbers.mean().item())
        self._noted = {}
        if training:
            self.refuse_divergence(figures["train_loss"])

    def record_pass(
        self, prefix: str, loss: float, n_rows: int, n_batches: int, by_batch: bool = False
    ) -> None:
        """Enter a pass over the rows into the history, where its batches are not in it yet."""
        if not by_batch:
            # One entry for the whole epoch is all that skorch's scoring callbacks look at.
            self.history.new_batch()
            self.history.record_batch(f"{prefix}_loss", loss)
            self.history.record_batch(f"{prefix}_batch_size", n_rows)
        self.history.record(f"{prefix}_batch_count", n_batches)

    def wants_modalities(self, log: EpochLog, n_batches: int) -> bool:
        """Whether to measure the modalities on the next batch of a training epoch."""
        always = any(method._measures_always for method in self.methods)
        return always or log.wants_modalities(n_batches, self.batch_size)

    def refuse_divergence(self, loss: float) -> None:
        """Stop where the loss is no number any more."""
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

    # -- stopping --------------------------------------------------------------------------

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the net's own hook, then the callbacks'; tell early stopping from Ctrl-C.

        Callbacks that score see rows in skorch's form, which tells them where the classes are.
        """
        getattr(self, method_name)(self, **cb_kwargs)
        for key in ("dataset_train", "dataset_valid"):
            if isinstance(rows := cb_kwargs.get(key), ModalityRows):
                cb_kwargs[key] = Dataset(rows, rows.codes, length=len(rows))
        for _, callback in self.callbacks_:
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt:
                if isinstance(callback, EarlyStopping):
                    raise TrainingStopped from None
                raise
        if self._checkpoint is not None and method_name == "on_epoch_end":
            self._release_parameters()
            self._checkpoint.keep(self)
            self._join_parameters()

    def train(
        self,
        rows: ModalityRows,
        valid: ModalityRows | None,
        epochs: int,
        checkpoint: TrainingCheckpoint | None = None,
    ) -> bool:
        """Train for at most `epochs` epochs; on Ctrl-C go back to the last whole epoch.

        With a checkpoint, go on from the one that is there, and write one after every epoch.

        Returns
        -------
        bool
            Whether the training was interrupted by Ctrl-C.
        """
        if checkpoint is not None:
            checkpoint.take_weights(self)
        rows = self.begin_training(rows, valid)
        if checkpoint is not None:
            epochs -= checkpoint.go_on(self)
            self._last_state = (len(self.history), self.copied_weights())
            self._checkpoint = checkpoint
        interrupted = False
        try:
            self._join_parameters()
            self.fit_loop(rows, epochs=epochs)
        except TrainingStopped:
            pass
        except KeyboardInterrupt:
            interrupted = True
            self._go_back_to_last_epoch()
        finally:
            self.__dict__.pop("_checkpoint", None)
            self._release_parameters()
        self.end_training(rows)
        return interrupted

    def _join_parameters(self) -> None:
        """Let the optimiser step over equal modalities at once, where nobody looks at one."""
        looking = any(self._hooks[hook] for hook in _LOOKING)
        blind = all(type(callback) in _BLIND for _, callback in self.callbacks_)
        known = type(self.optimizer_) in BY_ELEMENT and not (self._grows or self.network.apart)
        if known and blind and not looking and self.network is self.module_:
            self._joined = JoinedParameters(self.network, self.optimizer_) or None

    def _release_parameters(self) -> None:
        if self._joined is not None:
            self._joined.release()
            self._joined = None

    def copied_weights(self) -> dict[str, Tensor]:
        """A copy of the weights of now, as a `state_dict`."""
        if self._joined is not None:
            return self._joined.copied()
        return {key: value.clone() for key, value in self.module_.state_dict().items()}

    @property
    def prepared_by_methods(self) -> bool:
        """Whether methods do something before the first epoch, which may take long."""
        return bool(self._hooks["on_train_begin"])

    def begin_training(self, rows: ModalityRows, valid: ModalityRows | None) -> ModalityRows:
        """What comes before the first epoch of a call; gives the rows to train on."""
        self.network.apart = any(method._encodes_apart() for method in self.methods)
        self.train_split = None if valid is None else _FixedSplit(valid)
        self._last_state = (len(self.history), None)
        for method in self._hooks["on_train_begin"]:
            rows = method.on_train_begin(self, rows, valid)
        self.notify("on_train_begin", X=rows, y=rows.codes)
        return rows

    def end_training(self, rows: ModalityRows) -> None:
        """What comes after the last epoch of a call."""
        if len(self.history):
            self.notify("on_train_end", X=rows, y=rows.codes)
            refuse_weights_not_finite(self)  # the last step is measured by no loss
        # the net stays with the estimator; rows and copies of weights must not
        self.train_split = None
        del self._last_state
        self._noted, self.sums, self._turns = {}, {}, None
        for method in self._hooks["on_train_end"]:
            method.on_train_end(self)

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Let methods act between the epochs."""
        for method in self._hooks["on_epoch_begin"]:
            method.on_epoch_begin(self)
        self._noted, self.sums = {}, {}
        super().on_epoch_begin(net, **kwargs)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Let methods say what the epoch was, and keep the weights of the last whole one."""
        for method in self._hooks["on_epoch_end"]:
            method.on_epoch_end(self)
        super().on_epoch_end(net, **kwargs)
        self._last_state = (len(self.history), self.copied_weights())

    def _go_back_to_last_epoch(self) -> None:
        n_epochs, state = self._last_state
        while len(self.history) > n_epochs:
            del self.history[-1]
        if state is not None:
            load_state(self.module_, state)


class _FixedSplit:
    """A split that was made beforehand."""

    def __init__(self, valid: ModalityRows):
        self.valid = valid

    def __call__(self, rows: ModalityRows, y: Any = None, **kwargs: Any) -> Any:
        return rows, self.valid
