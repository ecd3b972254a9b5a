"""`BaseMultimodalClassifier`: scikit-learn outside, a skorch net inside."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import LRScheduler
from torch import nn

from ..base import ClassTarget, hold_out, read_groups, warn_if_unscaled
from ..modalities import CheckedModalities
from ..networks import choose_device, choose_dtype
from ._building import NetBuilding
from ._documentation import insert_shared
from ._history import history_frame
from ._prediction import ClassifierPredictions
from ._shared_docs import SHARED_ATTRIBUTES, SHARED_PARAMETERS
from ._training import LR_SCHEDULES, OPTIMIZERS, TrainingPlan, choose_batch_size
from .data import GivenRows
from .fitted_fusion import FittedFusion, fit_fusion
from .net import MultimodalNet
from .weights_file import load_weights, save_weights

#: Below this many rows ``early_stopping="auto"`` is off: a tenth of them is too few to choose an
#: epoch by, and too many to do without.
AUTO_EARLY_STOPPING_ROWS = 1000


@dataclass(kw_only=True, eq=False, repr=False)
class BaseMultimodalClassifier(NetBuilding, ClassifierPredictions):
    """Base of the neural estimators: everything but the loss.

    A method is a subclass with its own parameters as fields, its net in `_net_class`, and what
    the net needs of the parameters in `_net_options`. The parameters of this class are described
    in ``_shared_docs.py``, which every subclass's docstring shows.
    """

    modalities: Any = None
    backbones: Any = "auto"
    hidden_layer_sizes: Any = (64,)
    dropout: float = 0.0
    embedding_dim: int = 64
    missing: str = "error"
    remix_after: Any = None
    fusion_weights: Any = "auto"
    cv: Any = None
    max_epochs: int = 50
    batch_size: Any = "auto"
    lr: float = 1e-3
    lr_schedule: Any = None
    optimizer: Any = "adamw"
    weight_decay: float = 1e-4
    early_stopping: Any = "auto"
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    class_weight: Any = None
    dtype: str = "auto"
    device: Any = "auto"
    amp: bool = False
    compile: bool = False
    callbacks: Any = None
    net_params: Any = None
    warm_start: bool = False
    random_state: Any = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "modalities": [dict, None],
        "backbones": [str, dict, type, nn.Module],
        "hidden_layer_sizes": ["array-like"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "missing": [StrOptions({"error", "mask"})],
        "fusion_weights": [dict, StrOptions({"auto", "fit"}), None],
        "cv": ["cv_object"],
        "remix_after": [Interval(Integral, 0, None, closed="left"), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions(set(LR_SCHEDULES)), LRScheduler, None],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "device": [str, torch.device],
        "amp": ["boolean"],
        "compile": ["boolean"],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "Parameters" in (cls.__doc__ or "") and SHARED_PARAMETERS not in cls.__doc__:  # type: ignore[operator]
            cls.__doc__ = insert_shared(cls.__doc__ or "", SHARED_PARAMETERS, SHARED_ATTRIBUTES)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True  # made dense batch by batch
        return tags

    # -- fitting ---------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Any:
        """Train the network.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities; see the user guide on the data contract.
        y : array-like of shape (n_samples,)
            Class labels of any type.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A weight of 0 is as good as leaving the row out.
        groups : array-like of shape (n_samples,), default=None
            Groups (speaker, day, subject) that the internal validation split keeps together.

        Returns
        -------
        self
            The fitted estimator.
        """
        continued = self.warm_start and hasattr(self, "net_")
        checked = self._read_modalities(X, reset=not continued, accept_sparse=True)
        classes, codes = self._read_labels(y, checked.n_samples)
        if continued and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"`warm_start=True` continues training with classes {self.classes_.tolist()}, but "
                f"`y` has {classes.tolist()}. Use the same labels, or warm_start=False."
            )
        weight = self._read_weights(sample_weight, checked, codes, classes, self.class_weight)
        if not continued:
            warn_if_unscaled(checked)
        # the same seed when training goes on: what was held out before is held out again
        seed = self._seed if continued else self._new_seed()
        groups = read_groups(groups, checked.n_samples)
        train, valid = self._split(codes, weight, groups, seed)
        given = GivenRows(checked, codes, weight, classes)
        n_done = len(self.net_.history) if continued else 0
        plan = TrainingPlan(seed, self.max_epochs, choose_batch_size(self.batch_size, len(train)))
        net, interrupted = self._train(given, train, valid, plan, continued)
        fusion = self._earlier_fusion(continued)
        if self._fits_weights(net, valid, interrupted):
            # networks of folds are trained for as long as this one, earlier calls included
            alike = replace(plan, n_epochs=n_done + plan.n_epochs)
            fusion = self._fit_fusion(net, given, valid, groups, alike)
        return self._finish(given, net, seed, n_done, interrupted, fusion)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Train for one more epoch on the given rows.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self
            The fitted estimator.
        """
        continued = hasattr(self, "net_")
        known = self._classes_to_come(classes, continued=continued)
        checked = self._read_modalities(X, reset=not continued, accept_sparse=True)
        known, codes = self._read_labels(y, checked.n_samples, classes=known)
        weight = self._read_weights(sample_weight, checked, codes, known, self.class_weight)
        if not continued:
            warn_if_unscaled(checked)
        seed = self._seed if continued else self._new_seed()
        kept = np.arange(len(codes)) if weight is None else np.flatnonzero(weight)
        given = GivenRows(checked, codes, weight, known)
        n_done = len(self.net_.history) if continued else 0
        plan = TrainingPlan(seed, 1, choose_batch_size(self.batch_size, len(kept)))
        net, interrupted = self._train(given, kept, None, plan, continued)
        fusion = self._earlier_fusion(continued)  # no rows are held out here
        return self._finish(given, net, seed, n_done, interrupted, fusion)

    def _new_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _split(
        self, codes: np.ndarray, weight: np.ndarray | None, groups: Any, seed: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Rows to train on and rows to hold out; rows of weight 0 are in neither."""
        kept = np.arange(len(codes)) if weight is None else np.flatnonzero(weight)
        stopping = self.early_stopping
        if stopping == "auto":
            stopping = len(kept) >= AUTO_EARLY_STOPPING_ROWS
        if not stopping:
            return kept, None
        groups = None if groups is None else groups[kept]
        train, valid = hold_out(codes[kept], groups, self.validation_fraction, seed)
        return kept[train], kept[valid]

    def _train(
        self,
        given: GivenRows,
        train: np.ndarray,
        valid: np.ndarray | None,
        plan: TrainingPlan,
        continued: bool,
    ) -> tuple[MultimodalNet, bool]:
        """Return the net after training, and whether Ctrl-C ended it."""
        device = choose_device(self.device)
        if continued:
            dtype = next(self.net_.module_.parameters()).dtype
        else:
            dtype = choose_dtype(self.dtype, given.checked, device)

        # Whatever torch draws at random below is drawn from our seed, and nobody else notices.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            n_done = len(self.net_.history) if continued else 0
            torch.manual_seed(plan.seed + n_done)
            if continued:
                net = copy.deepcopy(self.net_)
                self._continue_net(net, plan, valid is not None)
            else:
                shapes, n_classes = given.checked.spec.shapes, len(given.classes)
                module = self._make_module(shapes, n_classes, dtype)
                net = self._make_net(module, device, plan, valid is not None)
            watched = None if valid is None else given.rows(valid, dtype, device)
            interrupted = net.train(given.rows(train, dtype, device), watched, plan.n_epochs)
        return net, interrupted

    def _earlier_fusion(self, continued: bool) -> FittedFusion | None:
        """Fusion weights that are kept when training goes on and no rows are held out."""
        return self._fitted_fusion if continued and isinstance(self.fusion_weights, str) else None

    def _fits_weights(
        self, net: MultimodalNet, valid: np.ndarray | None, interrupted: bool = False
    ) -> bool:
        """Whether fusion weights are fitted; "auto" trains no further networks for that."""
        if self.fusion_weights == "auto":
            return valid is not None and net._module().heads is not None
        trains_folds = valid is None or self.cv is not None
        return self.fusion_weights == "fit" and not (interrupted and trains_folds)

    def _fit_fusion(
        self,
        net: MultimodalNet,
        given: GivenRows,
        valid: np.ndarray | None,
        groups: np.ndarray | None,
        plan: TrainingPlan,
    ) -> FittedFusion | None:
        """Fusion weights from rows that the net, or nets trained like it, have not seen."""
        names = net._module().names
        if len(names) == 1:
            return None
        dtype, device = next(net._module().parameters()).dtype, torch.device(net.device)
        held_out = []
        if valid is not None and (self.cv is None or self.fusion_weights == "auto"):
            held_out = [(net, given.rows(valid, dtype, device))]
        else:
            for train, test in given.folds(self.cv, groups):
                part = given.take(train)
                inner = None if groups is None else groups[train]
                fitted, watched = self._split(part.codes, part.weight, inner, plan.seed)
                other, interrupted = self._train(part, fitted, watched, plan, continued=False)
                if interrupted:
                    raise KeyboardInterrupt
                held_out.append((other, given.rows(test, dtype, device)))
        return fit_fusion(held_out, names, masked=self.missing == "mask")

    def _finish(
        self,
        given: GivenRows,
        net: MultimodalNet,
        seed: int,
        n_done: int,
        interrupted: bool,
        fusion: FittedFusion | None,
    ) -> Any:
        if len(net.history) > n_done:
            self._remember(given.checked, given.classes, net, seed, fusion)
        if interrupted:
            raise KeyboardInterrupt
        return self

    def _remember(
        self,
        checked: CheckedModalities,
        classes: np.ndarray,
        net: MultimodalNet,
        seed: int,
        fusion: FittedFusion | None = None,
    ) -> None:
        self.classes_ = classes
        self._target = ClassTarget(classes)
        self.net_ = net
        self._seed = seed
        self._fitted_fusion = fusion
        self.fusion_weights_ = None if fusion is None else fusion.table()
        self.temperatures_ = None if fusion is None else fusion.temperatures()
        self.n_iter_ = len(net.history)
        self.history_ = history_frame(net.history, list(checked.names))
        self._remember_modalities(checked)

    # -- files -----------------------------------------------------------------------------

    def save_weights(self, file: Any) -> None:
        """Write weights, classes and input specification to a safetensors file.

        Unlike a pickle, such a file can be loaded from a source that is not trusted.

        Parameters
        ----------
        file : str or path
            Where to write.
        """
        save_weights(self, file)

    def load_weights(self, file: Any) -> Any:
        """Become fitted from a file of `save_weights`.

        The estimator must have the constructor parameters of the one that wrote the file (those
        that shape the network).

        Parameters
        ----------
        file : str or path
            What `save_weights` wrote.

        Returns
        -------
        self
            The fitted estimator.
        """
        return load_weights(self, file)
