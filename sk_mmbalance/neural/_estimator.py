"""`BaseMultimodalEstimator`: scikit-learn outside, a skorch net inside."""

from __future__ import annotations

import copy
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils import check_random_state
from skorch.callbacks import LRScheduler
from torch import nn

from .._sklearn import ArrayLike, HasMethods, Interval, StrOptions, fit_context
from ..balancing import Balancing
from ..base import CLASSES, Target, TrainingRows, warn_if_unscaled
from ..modalities import InputSpec
from ..networks import (
    Draws,
    ModalityRows,
    choose_device,
    choose_dtype,
    criterion_settings,
    learn_encodings,
    learning,
    refuse_batch_statistics,
    to_rows,
    warn_if_ambiguous,
)
from ._building import NetBuilding
from ._checkpoints import Checkpoints
from ._continuing import refuse_changes, remember_parameters
from ._documentation import insert_shared
from ._files import NeuralFiles
from ._fitted_fusion import FittedFusion, fit_fusion
from ._fitting import Fitting, Share, Training, carry_out, each_its_own
from ._history import history_frame
from ._net import MultimodalNet
from ._prediction import NeuralPredictions
from ._presets import take_parameters, value_of
from ._shared_docs import SHARED_ATTRIBUTES, SHARED_PARAMETERS
from ._training import LR_SCHEDULES, OPTIMIZERS, TrainingPlan, choose_batch_size

#: Below this many rows ``early_stopping="auto"`` is off: a tenth of them is too few to choose an
#: epoch by, and too many to do without (figures in the user guide, under "Early stopping").
AUTO_EARLY_STOPPING_ROWS = 250


@dataclass(kw_only=True, eq=False, repr=False)
class BaseMultimodalEstimator(NetBuilding, NeuralPredictions, NeuralFiles):
    """Base of the neural estimators: everything but the loss and the kind of target.

    How training is balanced is a value (see `sk_mmbalance.balancing`), which a subclass holds as
    a parameter or, as a preset, has the parameters of: ``preset_of=Method``, with what it calls
    otherwise in ``called``. The parameters of this class are described in ``_shared_docs.py``,
    which every subclass's docstring shows.
    """

    modalities: Any = None
    backbones: Any = "auto"
    hidden_layer_sizes: Any = (64,)
    dropout: float = 0.0
    embedding_dim: int = 64
    encoding: Any = None
    missing: str = "error"
    remix_after: Any = None
    fusion_weights: Any = "auto"
    cv: Any = None
    max_epochs: int = 50
    batch_size: Any = "auto"
    predict_batch_size: Any = "auto"
    lr: float = 1e-3
    modality_lr: Any = None
    lr_schedule: Any = None
    optimizer: Any = "adamw"
    weight_decay: float = 1e-4
    early_stopping: Any = "auto"
    validation_fraction: Any = 0.1
    n_iter_no_change: int = 10
    dtype: str = "auto"
    device: Any = "auto"
    amp: bool = False
    compile: bool = False
    callbacks: Any = None
    net_params: Any = None
    warm_start: bool = False
    checkpoint_dir: Any = None
    random_state: Any = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "modalities": [dict, None],
        "backbones": [str, dict, type, nn.Module],
        "hidden_layer_sizes": [ArrayLike()],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "encoding": [StrOptions({"normal_scores"}), dict, None],
        "missing": [StrOptions({"error", "mask"})],
        "fusion_weights": [dict, StrOptions({"auto", "fit"}), None],
        "cv": ["cv_object"],
        "remix_after": [Interval(Integral, 0, None, closed="left"), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "predict_batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "modality_lr": [dict, None],
        "lr_schedule": [StrOptions(set(LR_SCHEDULES)), LRScheduler, None],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), HasMethods("split"), list],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "device": [str, torch.device],
        "amp": ["boolean"],
        "compile": ["boolean"],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "warm_start": ["boolean"],
        "checkpoint_dir": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    #: Groups keep folds inside apart: with metadata routing, nobody has to ask for them.
    __metadata_request__fit = {"groups": True}
    _for_several = True
    _uses_lengths = True

    #: of a preset, its method, and the names under which it has the method's parameters
    _preset_of: ClassVar[type[Balancing] | None] = None
    _called: ClassVar[dict[str, str]] = {}

    #: what the docstrings of subclasses show besides
    _shared_parameters: ClassVar[str] = SHARED_PARAMETERS
    _shared_attributes: ClassVar[str] = SHARED_ATTRIBUTES

    def __init_subclass__(
        cls,
        preset_of: type[Balancing] | None = None,
        called: Mapping[str, str] | None = None,
        **kwargs: Any,
    ):
        super().__init_subclass__(**kwargs)
        doc = cls.__dict__.get("__doc__") or ""
        if preset_of is not None:
            known = set(cls._parameter_constraints)
            doc = insert_shared(doc, take_parameters(cls, preset_of, called or {}, known), "")
        if "Parameters" in doc:
            cls.__doc__ = insert_shared(doc, cls._shared_parameters, cls._shared_attributes)

    def _value(self) -> Balancing | None:
        return None if self._preset_of is None else value_of(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True  # read batch by batch
        return tags

    # -- what the kind of target says ------------------------------------------------------

    def _class_weight(self) -> Any:
        """Weights of classes, where there are classes."""
        return None

    def _settled_target(self, rows: TrainingRows) -> Target:
        """The target as these rows, which are trained on first, settle it."""
        return rows.target

    def _recoded(self, target: Target, rows: TrainingRows) -> TrainingRows:
        """Rows with the target that is trained on; refuses another one than `target`."""
        raise NotImplementedError

    def _scale(self, rows: TrainingRows) -> float:
        """What a loss of 1 means in these rows: the loss of a constant, for numbers."""
        return 1.0

    def _criterion(self, target: Target, scale: float) -> dict[str, Any]:
        """Settings of the criterion."""
        return criterion_settings(target)

    # -- fitting ---------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        """Train the network.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities; see the user guide on the data contract.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels of any type or, with several columns, an indicator matrix of several
            labels; for regressors, one or several columns of numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A weight of 0 is as good as leaving the row out.
        groups : array-like of shape (n_samples,), default=None
            Groups (speaker, day, subject) that the internal validation split keeps together.
        X_val : Modalities, dict, DataFrame or array of shape (n_val, n_features), default=None
            Validation rows of your own: early stopping watches them, and no row of `X` is held
            out.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their target; labels that `y` does not have are refused.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.

        Returns
        -------
        self
            The fitted estimator.
        """
        return carry_out(
            self._fitting(X, y, sample_weight, groups, X_val, y_val, sample_weight_val),
            None if self.checkpoint_dir is None else Checkpoints(self),
        )

    def _fitting(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        share: Share = each_its_own,
    ) -> Fitting:
        """`fit`, which hands every network out to be trained; see `sk_mmbalance.neural._fitting`.

        `share` may give rows that were read, cut or made tensors of for another candidate.
        """
        continued = self.warm_start and hasattr(self, "net_")
        self._check_parameters(continued)
        reading = {"modalities": self.modalities, "missing": self.missing}
        rows = share(
            "rows",
            {**reading, "class_weight": self._class_weight(), "owner": type(self)},
            lambda: self._read_training(
                X,
                y,
                sample_weight,
                groups,
                reset=not continued,
                accept_sparse=True,
                class_weight=self._class_weight(),
            ),
        )
        read = rows
        self._check_target(rows.target)
        encoded = self._encoded(rows.checked)
        own = share(
            "validation rows",
            {"rows": rows, "early_stopping": self.early_stopping},
            lambda: self._read_validation(rows, X_val, y_val, sample_weight_val),
        )
        if not continued:
            said = {"rows": rows, "encoded": encoded, "backbones": self.backbones}
            share("warnings", said, lambda: self._warn_of(rows, encoded, stacklevel=9))
        # the same seed when training goes on: what was held out before is held out again
        seed = self._seed if continued else self._new_seed()

        def cut() -> tuple[Target, TrainingRows, TrainingRows, TrainingRows | None]:
            train, valid = (rows, own) if own is not None else self._split(rows, seed)
            target = self._target if continued else self._settled_target(train)
            valid = None if valid is None else self._recoded(target, valid)
            return target, self._recoded(target, rows), self._recoded(target, train), valid

        holding_out = {"share": self.validation_fraction, "seed": seed} if self._stops(rows) else {}
        target, rows, train, valid = share("cut", {"rows": rows, "own": own, **holding_out}, cut)
        n_done = len(self.net_.history) if continued else 0
        plan = TrainingPlan(seed, self.max_epochs, choose_batch_size(self.batch_size, len(train)))
        training = self._prepare(train, valid, plan, continued, encoded, share)
        net = training.net

        def alike(X: Any, y: Any) -> ModalityRows:
            spec = read.checked.spec
            other = self._read_training(X, y, accept_sparse=True, spec=spec, target=read.target)
            return _tensors(self._recoded(target, other), net)

        interrupted = yield replace(training, alike=alike)
        fusion = self._earlier_fusion(continued)
        if self._fits_weights(net, target, valid, interrupted):
            # networks of folds are trained for as long as this one, earlier calls included
            as_long = replace(plan, n_epochs=n_done + plan.n_epochs)
            fusion = yield from self._fit_fusion(net, rows, valid, as_long, share)
        return self._finish(rows, net, seed, n_done, interrupted, fusion)

    def _partial_fit(self, rows: TrainingRows, continued: bool) -> Any:
        """Train for one more epoch on rows that have been read."""
        self._check_target(rows.target)
        encoded = self._encoded(rows.checked)
        if not continued:
            self._warn_of(rows, encoded)
        seed = self._seed if continued else self._new_seed()
        rows = self._recoded(self._target if continued else self._settled_target(rows), rows)
        n_done = len(self.net_.history) if continued else 0
        plan = TrainingPlan(seed, 1, choose_batch_size(self.batch_size, len(rows)))
        training = self._prepare(rows, None, plan, continued, encoded)
        net, interrupted = training.net, training.run()
        fusion = self._earlier_fusion(continued)  # no rows are held out here
        return self._finish(rows, net, seed, n_done, interrupted, fusion)

    def _warn_of(self, rows: TrainingRows, encoded: list[str], stacklevel: int = 5) -> None:
        """Warn of what a new network may take amiss."""
        warn_if_unscaled(rows.checked, leave_out=encoded, stacklevel=stacklevel)
        warn_if_ambiguous(self.backbones, rows.checked.spec, stacklevel=stacklevel)

    def _check_parameters(self, continued: bool) -> None:
        """Refuse, before any row is read, what goes with nothing else or cannot change now."""
        self._side()
        self._methods()
        if continued:
            refuse_changes(self, self._first_parameters)

    def _check_target(self, target: Target) -> None:
        """Refuse a kind of target that a parameter cannot be had with."""
        if target.kind != CLASSES and self.fusion_weights == "fit":
            raise ValueError(
                f"`fusion_weights='fit'` needs one class a row, and `y` holds {target.kind}. Leave "
                "it at 'auto', which fits none there."
            )
        for method in self._methods():
            method.check_target(target.kind)

    def _new_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _read_validation(
        self, rows: TrainingRows, X_val: Any, y_val: Any, sample_weight_val: Any
    ) -> TrainingRows | None:
        """Validation rows of the user's own, held to what the training rows are."""
        given = {"X_val": X_val, "y_val": y_val}
        lacking = [name for name, value in given.items() if value is None]
        if len(lacking) == 2 and sample_weight_val is None:
            return None
        if lacking:
            raise ValueError(
                f"`{lacking[0]}` is needed with `X_val`, `y_val` or `sample_weight_val`: give "
                "validation rows with their target, or none."
            )
        if self.early_stopping is False:
            raise ValueError(
                "`X_val` is what early stopping watches, and `early_stopping=False` turns it off. "
                "Leave `early_stopping` at 'auto', or give no validation rows."
            )
        try:
            return self._read_training(
                X_val,
                y_val,
                sample_weight_val,
                accept_sparse=True,
                spec=rows.checked.spec,
                target=rows.target,
                class_weight=self._class_weight(),
            )
        except (TypeError, ValueError) as error:
            error.add_note("(in the validation rows: `X_val`, `y_val`, `sample_weight_val`)")
            raise

    def _split(self, rows: TrainingRows, seed: int) -> tuple[TrainingRows, TrainingRows | None]:
        """Rows to train on and rows to hold out."""
        if not self._stops(rows):
            return rows, None
        train, valid = rows.hold_out(self.validation_fraction, seed)
        return rows.take(train), rows.take(valid)

    def _stops(self, rows: TrainingRows) -> bool:
        """Whether some of the rows are held out for early stopping."""
        if self.early_stopping == "auto":
            return len(rows) >= AUTO_EARLY_STOPPING_ROWS
        return bool(self.early_stopping)

    def _prepare(
        self,
        rows: TrainingRows,
        valid: TrainingRows | None,
        plan: TrainingPlan,
        continued: bool,
        encoded: list[str],
        share: Share = each_its_own,
    ) -> Training:
        """Everything before the first step of a training.

        A new net learns the encodings of the modalities `encoded`.
        """
        with learning():
            return self._prepared(rows, valid, plan, continued, encoded, share)

    def _prepared(
        self,
        rows: TrainingRows,
        valid: TrainingRows | None,
        plan: TrainingPlan,
        continued: bool,
        encoded: list[str],
        share: Share,
    ) -> Training:
        device = choose_device(self.device)
        self._check_modality_lr(list(rows.checked.names))
        for method in self._methods():
            method.check_training(list(rows.checked.names), valid is not None)
        if continued:
            dtype = next(self.net_.module_.parameters()).dtype
        else:
            dtype = choose_dtype(self.dtype, rows.checked, device)

        n_done = len(self.net_.history) if continued else 0
        draws = Draws(plan.seed + n_done)
        with draws.of_everything():
            if continued:
                net = copy.deepcopy(self.net_)
                self._continue_net(net, plan, valid is not None)
            else:
                target = rows.target
                module = self._make_module(rows.checked.spec, target.n_outputs, dtype)
                module.encodings = learn_encodings(encoded, rows.checked, rows.weight, dtype)
                criterion = self._criterion(target, self._scale(rows))
                net = self._make_net(module, device, plan, valid is not None, criterion)
                net.n_classes = target.n_outputs if target.kind == CLASSES else None
        if len(rows) == 1:
            refuse_batch_statistics(net.network)
        kind = {"dtype": dtype, "device": device, "encoded": encoded, "learnt_from": rows}
        watched = None
        if valid is not None:
            watched = share("tensors", {"rows": valid, **kind}, lambda: _tensors(valid, net))
        tensors = share("tensors", {"rows": rows, **kind}, lambda: _tensors(rows, net))
        return Training(net, tensors, watched, plan.n_epochs, draws)

    def _earlier_fusion(self, continued: bool) -> FittedFusion | None:
        """Fusion weights that are kept when training goes on and no rows are held out."""
        return self._fitted_fusion if continued and isinstance(self.fusion_weights, str) else None

    def _fits_weights(
        self,
        net: MultimodalNet,
        target: Target,
        valid: TrainingRows | None,
        interrupted: bool = False,
    ) -> bool:
        """Whether fusion weights are fitted; "auto" trains no further networks for that."""
        if target.kind != CLASSES:
            return False
        if self.fusion_weights == "auto":
            return valid is not None and net.network.heads is not None
        trains_folds = valid is None or self.cv is not None
        return self.fusion_weights == "fit" and not (interrupted and trains_folds)

    def _fit_fusion(
        self,
        net: MultimodalNet,
        rows: TrainingRows,
        valid: TrainingRows | None,
        plan: TrainingPlan,
        share: Share,
    ) -> Generator[Training, bool, FittedFusion | None]:
        """Fusion weights from rows that the net, or nets trained like it, have not seen."""
        names = net.network.names
        if len(names) == 1:
            return None
        held_out = []
        choice = None
        if valid is not None and (self.cv is None or self.fusion_weights == "auto"):
            held_out = [(net, _tensors(valid, net))]
        else:
            choice = rows.choose_folds(self.cv, plan.seed, stacklevel=6)
            for train, test in choice.folds:
                fitted, watched = self._split(rows.take(train), plan.seed)
                encoded = list(net.network.encodings)
                training = self._prepare(fitted, watched, plan, False, encoded)
                if (yield training):
                    raise KeyboardInterrupt
                held_out.append((training.net, _tensors(rows.take(test), training.net)))
        masked = self.missing == "mask"
        if choice is None:
            return fit_fusion(held_out, names, masked)
        fusion = fit_fusion(held_out, names, masked, n_times=len(choice.parts))
        return replace(fusion, row_order=choice.told())

    def _finish(
        self,
        rows: TrainingRows,
        net: MultimodalNet,
        seed: int,
        n_done: int,
        interrupted: bool,
        fusion: FittedFusion | None,
    ) -> Any:
        if len(net.history) > n_done:
            first = self._first_parameters if n_done else None
            self._remember(rows.checked.spec, rows.target, net, seed, fusion, first)
        if interrupted:
            raise KeyboardInterrupt
        return self

    def _remember(
        self,
        spec: InputSpec,
        target: Target,
        net: MultimodalNet,
        seed: int,
        fusion: FittedFusion | None = None,
        first_parameters: dict[str, Any] | None = None,
    ) -> None:
        """Become fitted, in one step: whoever interrupts it finds the old fit or the new one."""
        said: dict[str, Any] = {}
        for method in net.methods:
            said.update(method.fitted(net))
        self._become_fitted(
            spec,
            net_=net,
            n_iter_=len(net.history),
            history_=history_frame(net.history, list(spec.names)),
            _target=target,
            _seed=seed,
            _first_parameters=first_parameters or remember_parameters(self),
            encoding_={
                name: "normal_scores" if name in net.network.encodings else None
                for name in spec.names
            },
            **self._said_of_fusion(fusion),
            **self._said_of_target(target),
            **self._said_by_methods(said),
        )

    def _said_of_fusion(self, fusion: FittedFusion | None) -> dict[str, Any]:
        return {
            "_fitted_fusion": fusion,
            "fusion_weights_": None if fusion is None else fusion.table(),
            "temperatures_": None if fusion is None else fusion.temperatures(),
            "row_order_": dict((fusion and fusion.row_order) or {}),
        }

    def _said_of_target(self, target: Target) -> dict[str, Any]:
        """Fitted attributes that say what the target is."""
        return {}

    def _said_by_methods(self, said: dict[str, Any]) -> dict[str, Any]:
        """Fitted attributes from what the balancing methods have to say."""
        return {f"{name}_": value for name, value in said.items()}


def _tensors(rows: TrainingRows, net: MultimodalNet) -> ModalityRows:
    """Rows as this net reads them."""
    return to_rows(
        rows.checked,
        rows.y,
        rows.weight,
        dtype=next(net.network.parameters()).dtype,
        device=torch.device(net.device),
        encodings=net.network.encodings,
    )


def hands_out(estimator: Any) -> bool:
    """Whether the networks of an estimator's fit can be trained by somebody else."""
    own = getattr(type(estimator), "fit", None)
    return isinstance(estimator, BaseMultimodalEstimator) and own is BaseMultimodalEstimator.fit


def start_fitting(
    estimator: BaseMultimodalEstimator, X: Any, y: Any, share: Share, **fit_params: Any
) -> Fitting:
    """The fit of an estimator that hands its networks out, begun but for the first of them."""
    estimator._validate_params()
    return estimator._fitting(X, y, share=share, **fit_params)


def preset_of(estimator: BaseMultimodalEstimator) -> tuple[type[Balancing] | None, dict[str, str]]:
    """The method that a preset stands for, if it is one, and what it calls its parameters."""
    return estimator._preset_of, estimator._called
