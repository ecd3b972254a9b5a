"""The net of sustained boosting: three loss terms a modality, a step a modality, growing heads."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from skorch.history import History
from torch import Tensor

from ..networks import (
    Batch,
    EpochLog,
    ModalityRows,
    MultimodalModule,
    MultimodalOutput,
    mean_criterion,
    weighted_mean_loss,
)
from ._assignment import HeadGrowth
from ._heads import GrowingHeads
from ._training import clear_gradients, start_momentum
from .net import MultimodalNet


def boosting_losses(
    criterion: Any, previous: Tensor | None, newest: Tensor, codes: Tensor, residual_weight: float
) -> Tensor:
    """Loss of every row for one modality: ``e_all + e_pre + e_res``.

    With ``Z`` the summed logits of all heads, ``z`` those of the newest and ``Z - z`` those of the
    heads before it:

    - ``e_all = CE(Z, y)``: all heads;
    - ``e_pre = CE(Z - z, y)``: all but the newest;
    - ``e_res = (1 - lambda q) CE(z, y)``: the newest alone, where ``q`` is what the heads before
      it give to the true class (without gradient). Rows that are right already weigh less.

    A single head has ``CE(z, y)`` only.

    Parameters
    ----------
    criterion : callable
        Cross-entropy that gives a loss per row.
    previous : Tensor of shape (batch, n_classes) or None
        Summed logits of all heads but the newest; None if there is one head.
    newest : Tensor of shape (batch, n_classes)
        Logits of the newest head.
    codes : Tensor of int64 of shape (batch,)
        True classes.
    residual_weight : float
        ``lambda``.

    Returns
    -------
    Tensor of shape (batch,)
    """
    if previous is None:
        return criterion(newest, codes)
    e_all = criterion(previous + newest, codes)
    e_pre = criterion(previous, codes)
    e_res = criterion(newest, codes)
    if residual_weight:
        q = F.softmax(previous.detach(), dim=1).gather(1, codes[:, None])[:, 0]
        e_res = (1 - residual_weight * q) * e_res
    return e_all + e_pre + e_res


class BoostingNet(MultimodalNet):
    """Trains a `MultimodalModule` whose fusion is `GrowingHeads`.

    Parameters
    ----------
    *args
        As in `MultimodalNet`.
    growth : HeadGrowth
        Decides on new heads.
    residual_weight : float, default=0.5
        Weight ``lambda`` in the newest head's loss.
    fused_weight : float, default=0.0
        Weight of the cross-entropy of the fused logits in every modality's loss.
    update : {"alternating", "joint"}, default="alternating"
        A step of the optimiser for each modality in turn, or one for all.
    **kwargs
        As in `MultimodalNet`.
    """

    def __init__(
        self,
        *args: Any,
        growth: HeadGrowth,
        residual_weight: float = 0.5,
        fused_weight: float = 0.0,
        update: str = "alternating",
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.growth = growth
        self.residual_weight = residual_weight
        self.fused_weight = fused_weight
        self.update = update

    def _heads(self) -> GrowingHeads:
        return self._module().fusion

    def wants_modalities(self, log: EpochLog, n_batches: int) -> bool:
        """Confidences decide on heads: take them from every batch."""
        return True

    # -- losses ----------------------------------------------------------------------------

    def _modality_loss(
        self, previous: Tensor | None, newest: Tensor, batch: Batch, name: str
    ) -> Tensor:
        """Weighted mean of the boosting loss over the rows that have the modality."""
        X, codes = batch
        weight, present = X.get("weight"), X.get("present")
        if previous is None and weight is None and present is None:
            return mean_criterion(self.criterion_, newest, codes, None)
        losses = boosting_losses(self.criterion_, previous, newest, codes, self.residual_weight)
        if present is None:
            return weighted_mean_loss(losses, weight)
        here = present[name]
        share = here.to(losses.dtype) if weight is None else torch.where(here, weight, 0)
        return (share * torch.where(here, losses, 0)).sum() / share.sum()

    def train_step(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """A step of the optimiser for each modality in turn, in the order of their names.

        In a remixed epoch a batch has the inputs of one modality, and the step is that of this
        modality; the fused logits are then its own.
        """
        self._sync_optimizer()
        if self.update == "joint":
            return super().train_step(batch, **fit_params)
        X, codes = batch
        present = X.get("present")
        module, heads = self._module(), self._heads()
        embeddings: dict[str, Tensor] = {}
        totals: dict[str, Tensor] = {}
        if self.fused_weight:
            # The fused loss of the first modality's step needs the logits of the others. No
            # encoder changes before its own step, so their graphs are used again there.
            with self._autocast():
                embeddings = module.encode(X["inputs"], present)
            totals = {m: self._total(m, u) for m, u in embeddings.items()}
        for name in X["inputs"]:
            if present is not None and not present[name].any():
                totals.setdefault(name, heads.no_logits(len(codes)))
                continue
            # None, not zero: else momentum and weight decay would move what has no gradient
            clear_gradients(self.optimizer_)
            previous, newest = self._split(name, X, embeddings)
            total = newest if previous is None else previous + newest
            loss = self._modality_loss(previous, newest, batch, name)
            self._own_losses[name].append(loss.detach())
            if self.fused_weight:
                fused = heads.fuse({**totals, name: total}, present)
                fused_loss = mean_criterion(self.criterion_, fused, codes, X.get("weight"))
                loss = loss + self.fused_weight * fused_loss
            loss.backward()
            self._notify_gradients(batch)
            self.optimizer_.step()
            totals[name] = total.detach()
        logits = heads.fuse(totals, present)
        loss = mean_criterion(self.criterion_, logits, codes, X.get("weight"))
        return {"loss": loss, "y_pred": MultimodalOutput(logits, totals)}

    def train_step_single(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """Gradients of the sum of all modalities' losses (``update="joint"``)."""
        X, codes = batch
        present = X.get("present")
        module: MultimodalModule = self._module()
        with self._autocast():
            embeddings = module.encode(X["inputs"], present)
        totals: dict[str, Tensor] = {}
        losses = []
        for name in X["inputs"]:
            previous, newest = self._split(name, X, embeddings)
            totals[name] = newest if previous is None else previous + newest
            if present is None or present[name].any():
                losses.append(self._modality_loss(previous, newest, batch, name))
                self._own_losses[name].append(losses[-1].detach())
        logits = self._heads().fuse(totals, present)
        fused = mean_criterion(self.criterion_, logits, codes, X.get("weight"))
        total = torch.stack(losses).sum()
        if self.fused_weight:
            total = total + self.fused_weight * fused
        total.backward()
        own = {name: z.detach() for name, z in totals.items()}
        # LBFGS looks at the value: it has to be that of what was differentiated.
        loss = total if self.needs_closure_ else fused
        return {"loss": loss.detach(), "y_pred": MultimodalOutput(logits.detach(), own)}

    def _autocast(self) -> Any:
        if not self.amp:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16)

    @torch.no_grad()
    def _total(self, name: str, u: Tensor) -> Tensor:
        with self._autocast():
            total = self._heads().total(name, u)
        return total.float() if self.amp else total

    def _split(
        self, name: str, X: dict[str, Any], embeddings: dict[str, Tensor]
    ) -> tuple[Tensor | None, Tensor]:
        with self._autocast():
            u = embeddings.get(name)
            if u is None:
                u = self._module().encode({name: X["inputs"][name]}, X.get("present"))[name]
            previous, newest = self._heads().split(name, u)
        if self.amp:
            return (None if previous is None else previous.float()), newest.float()
        return previous, newest

    # -- growing ---------------------------------------------------------------------------

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Add the heads that are due.

        Here, not at the end of an epoch: by now every callback (early stopping, checkpoints) has
        seen the finished epoch as it was, and a fit never ends on a head that was not trained.
        """
        heads = self._heads()
        epoch = len(self.history)
        if self.growth.is_due(epoch):
            row = self.history[-1]
            kind = "valid_confidence" if self.growth.rule.score_on == "valid" else "confidence"
            names = list(heads.dims)
            # In a remixed epoch each modality has rows of its own, the hard ones for the weak: its
            # confidence says nothing against the others'.
            scored: Any = next((r for r in reversed(self.history) if not r.get("remixed")), {})
            scores = {m: scored.get(f"{m}__{kind}", float("nan")) for m in names}
            losses = {m: row[f"{m}__valid_loss"] for m in names if f"{m}__valid_loss" in row}
            for name in self.growth.check(epoch, scores, losses, heads.counts()):
                heads.add_head(name)
        self._own_losses: dict[str, list[Tensor]] = {name: [] for name in heads.dims}
        super().on_epoch_begin(net, **kwargs)
        for name, n in heads.counts().items():
            self.history.record(f"{name}__n_heads", n)

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """One pass over the rows; records the boosting loss of every modality."""
        super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
        if not training:
            return
        for name, losses in self._own_losses.items():
            mean = torch.stack(losses).mean().item() if losses else float("nan")
            self.history.record(f"{name}__boosting_loss", mean)
            losses.clear()

    def train(self, *args: Any, **kwargs: Any) -> bool:
        """Train; note which heads were lost when the best epoch was restored."""
        interrupted = super().train(*args, **kwargs)
        self.growth.discard_beyond(self._heads().counts())
        return interrupted

    # -- prediction ------------------------------------------------------------------------

    def staged_output(self, rows: ModalityRows, n_heads: int) -> MultimodalOutput:
        """Logits of all rows from the first `n_heads` heads of every modality."""
        self.check_is_fitted()
        self._set_training(False)
        module, heads = self._module(), self._heads()
        parts = []
        with torch.inference_mode(), self._autocast():
            for X, _ in self.get_iterator(rows):
                embeddings = module.encode(X["inputs"], X.get("present"))
                parts.append(heads(embeddings, X.get("present"), n_heads))
        wide = torch.float32 if self.amp else parts[0][0].dtype
        own = {m: torch.cat([z[m] for _, z in parts]).cpu().to(wide) for m in module.names}
        return MultimodalOutput(torch.cat([z for z, _ in parts]).cpu().to(wide), own)

    # -- the optimiser follows the heads ---------------------------------------------------

    def initialize_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        """Make the optimiser for the heads at hand."""
        super().initialize_optimizer(*args, **kwargs)
        self._synced_generation = self._heads().generation
        return self

    def _sync_optimizer(self) -> None:
        """Make the optimiser hold the parameters of the heads at hand, no more and no fewer.

        Groups are changed in place: a new group would break schedulers that keep one entry a
        group (LambdaLR, OneCycleLR).
        """
        generation = self._heads().generation
        if generation == self._synced_generation:
            return
        if self.needs_closure_:  # LBFGS keeps a history of fixed size
            self.initialize_optimizer()
            return
        groups = self.optimizer_.param_groups
        wanted = self._get_params_for_optimizer("optimizer", self.get_all_learnable_params())[0][0]
        if len(wanted) == len(groups):
            for group, chosen in zip(groups, wanted, strict=True):
                group["params"][:] = chosen["params"]
        else:  # a pattern of the user's that no parameter had met before
            everything = {p: None for chosen in wanted for p in chosen["params"]}
            held = {p for group in groups for p in group["params"]}
            for group in groups:
                group["params"][:] = [p for p in group["params"] if p in everything]
            groups[-1]["params"] += [p for p in everything if p not in held]
        held = {p for group in groups for p in group["params"]}
        for parameter in [p for p in self.optimizer_.state if p not in held]:
            del self.optimizer_.state[parameter]
        start_momentum(self.optimizer_)
        self._synced_generation = generation

    def load_params(
        self,
        f_params: Any = None,
        f_optimizer: Any = None,
        f_criterion: Any = None,
        f_history: Any = None,
        checkpoint: Any = None,
        use_safetensors: bool = False,
        **kwargs: Any,
    ) -> None:
        """Load what `save_params` or a checkpoint wrote; heads grow or shrink to fit.

        As in skorch, but the network comes first: the optimiser's state fits only then.
        """
        files = {
            "f_params": f_params,
            "f_optimizer": f_optimizer,
            "f_criterion": f_criterion,
            "f_history": f_history,
            **kwargs,
        }
        if checkpoint is not None:
            if f_history is None and checkpoint.f_history is not None:
                self.history = History.from_file(checkpoint.f_history_)
            formatted = checkpoint.get_formatted_files(self)
            formatted.pop("f_history", None)
            files = formatted | {key: value for key, value in files.items() if value}
        network = files.pop("f_params", None)
        if network:
            super().load_params(f_params=network, use_safetensors=use_safetensors)
            self._sync_optimizer()
        rest = {key: value for key, value in files.items() if value}
        if rest:
            super().load_params(use_safetensors=use_safetensors, **rest)
