"""Figures of one epoch, added up on the device and read once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._aligned import masks_of, over, stacked_of
from ._module import MultimodalOutput
from ._rows import Batch

_FLUSH_EVERY = 32  # batches kept before they are reduced together: few kernels, little memory

#: Modalities' own figures of a training epoch come from batches of about this many rows in all,
#: evenly spread: enough for a curve (standard error below 2.3 points), and cheap beside training.
MEASURED_ROWS = 512


class EpochLog:
    """Mean loss, accuracy and confidence of the fused model and of every modality.

    Each is a mean over rows, weighted with sample weights; a modality's figures are means over the
    rows that have it. Figures of a training epoch are taken as the epoch goes, before each step.

    Parameters
    ----------
    names : list of str
        The modalities.
    criterion : TargetLoss
        Says what the figures of a row are.
    """

    def __init__(self, names: list[str], criterion: Any):
        self.names = names
        self.criterion = criterion
        self._sums: dict[str, Tensor] = {}
        #: sums of many modalities at once, and their names
        self._together: dict[str, Tensor] = {}
        self._aligned: list[str] = []
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []
        self._kept: list[tuple[Tensor, dict[str, Tensor], Batch, dict[str, Tensor]]] = []
        self.n_batches = 0
        self.n_rows = 0

    def add(
        self,
        loss: Tensor,
        output: MultimodalOutput,
        batch: Batch,
        modalities: bool = True,
        log_p: dict[str, Tensor] | None = None,
    ) -> None:
        """Keep what a step gave (`modalities`: their own logits too); nothing is computed yet.

        `log_p` are log-probabilities of modalities that were computed already.
        """
        own = over(Tensor.detach, output.unimodal) if modalities else {}
        # without the rows themselves, whose memory the next ones can use
        keys: tuple[str, ...] = ("present", "weight")
        about = {key: batch[0][key] for key in keys if key in batch[0]}
        self._kept.append((output.logits.detach(), own, (about, batch[1]), log_p or {}))
        self.add_loss(loss, len(batch[1]))

    def add_loss(self, loss: Tensor, n_rows: int) -> None:
        """Keep a step's loss alone."""
        self._losses.append(loss.detach())
        self._sizes.append(n_rows)
        self.n_batches += 1
        self.n_rows += n_rows
        if len(self._losses) == _FLUSH_EVERY:
            self._flush()

    def wants_modalities(self, n_batches: int, batch_size: int) -> bool:
        """Whether the next of `n_batches` batches is one to measure the modalities on."""
        stride = max(1, n_batches * batch_size // MEASURED_ROWS)
        return self.n_batches % stride == 0

    def _flush(self) -> None:
        if self._losses:
            losses = torch.stack(self._losses)
            self._add_up("loss", (losses * losses.new_tensor(self._sizes)).sum())
            self._losses, self._sizes = [], []
        if not self._kept:
            return
        codes = torch.cat([batch[1] for _, _, batch, _ in self._kept])
        weight = None
        if "weight" in self._kept[0][2][0]:
            weight = torch.cat([batch[0]["weight"] for _, _, batch, _ in self._kept])
        self._measure_fused(torch.cat([z for z, _, _, _ in self._kept]), codes, weight)
        for name in () if self._measure_together(codes, weight) else self.names:
            having = [entry for entry in self._kept if name in entry[1]]
            if not having:
                continue
            logits = torch.cat([own[name] for _, own, _, _ in having])
            mask = log_p = None
            if "present" in having[0][2][0]:
                mask = torch.cat([batch[0]["present"][name] for _, _, batch, _ in having])
            if all(name in known for _, _, _, known in having):
                log_p = torch.cat([known[name] for _, _, _, known in having])
            if len(having) < len(self._kept):
                own_codes = torch.cat([batch[1] for _, _, batch, _ in having])
                own_weight = (
                    None
                    if weight is None
                    else torch.cat([batch[0]["weight"] for _, _, batch, _ in having])
                )
            else:
                own_codes, own_weight = codes, weight
            self._measure(name, logits, own_codes, own_weight, mask, log_p)
        self._kept.clear()

    def _measure_together(self, codes: Tensor, weight: Tensor | None) -> bool:
        """Measure modalities whose logits came as one tensor, if all of them did."""
        having = [entry for entry in self._kept if entry[1]]
        names = list(having[0][1]) if having else []
        alike = all(stacked_of(own) is not None and list(own) == names for _, own, _, _ in having)
        if not having or not alike or self._aligned not in ([], names):
            return False
        self._aligned = names
        logits = torch.cat([stacked_of(own) for _, own, _, _ in having], dim=1)  # type: ignore[misc]
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        batches = [batch for _, _, batch, _ in having]
        if len(having) < len(self._kept):
            codes = torch.cat([batch[1] for batch in batches])
            weight = None if weight is None else torch.cat([b[0]["weight"] for b in batches])
        share = (
            torch.ones_like(logits[:, :, 0]) if weight is None else weight.expand(len(names), -1)
        )
        if "present" in batches[0][0]:
            mask = torch.cat([masks_of(batch[0]["present"], names) for batch in batches], dim=1)
            share = torch.where(mask, share, 0)
            logits = logits.masked_fill(~mask[:, :, None], 0)
        repeated = codes.repeat(len(names), *[1] * (codes.ndim - 1))
        figures = self.criterion.figures(logits.flatten(0, 1), repeated)
        sums = {what: (share * values.view(share.shape)).sum(1) for what, values in figures.items()}
        for what, value in {**sums, "weight": share.sum(1)}.items():
            self._together[what] = self._together[what] + value if what in self._together else value
        return True

    def _measure_fused(self, logits: Tensor, codes: Tensor, weight: Tensor | None) -> None:
        right = self.criterion.hits(logits, codes)
        if right is None:
            return
        self._add_up("|accuracy", right.sum() if weight is None else (weight * right).sum())
        self._add_up("|weight", right.new_tensor(len(right)) if weight is None else weight.sum())

    def _measure(
        self,
        name: str,
        logits: Tensor,
        codes: Tensor,
        weight: Tensor | None,
        mask: Tensor | None = None,
        log_p: Tensor | None = None,
    ) -> None:
        logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        weight = torch.ones_like(logits[:, 0]) if weight is None else weight
        if mask is not None:
            weight = torch.where(mask, weight, torch.zeros_like(weight))
            logits, log_p = logits.masked_fill(~mask[:, None], 0), None
        for what, values in self.criterion.figures(logits, codes, log_p).items():
            self._add_up(f"{name}|{what}", (weight * values).sum())
        self._add_up(f"{name}|weight", weight.sum())

    def _add_up(self, key: str, value: Tensor) -> None:
        self._sums[key] = self._sums[key] + value if key in self._sums else value

    def summary(self, prefix: str) -> dict[str, float]:
        """Read everything back in one go, as ``{"train_loss": ..., "face__train_loss": ...}``."""
        self._flush()
        keys = list(self._sums)
        values = torch.stack([self._sums[key] for key in keys]).double().tolist()
        sums = dict(zip(keys, values, strict=True))
        for what, figures_of_all in self._together.items():
            for name, value in zip(self._aligned, figures_of_all.double().tolist(), strict=True):
                sums[f"{name}|{what}"] = sums.get(f"{name}|{what}", 0.0) + value
        figures = {f"{prefix}_loss": sums["loss"] / self.n_rows}
        for name in ("", *self.names):
            total = sums.get(f"{name}|weight", 0.0)
            start = f"{name}__{prefix}" if name else prefix
            mean = {
                what: sums[f"{name}|{what}"] / total if total else float("nan")
                for what in ("accuracy", "confidence", "loss")
                if f"{name}|{what}" in sums
            }
            if not mean:
                continue
            if "accuracy" in mean:
                figures[f"{start}_accuracy"] = mean["accuracy"]
            if name:
                figures[f"{start}_loss"] = mean["loss"]
                own = f"{name}__confidence" if prefix == "train" else f"{start}_confidence"
                figures[own] = mean["confidence"]
        return figures
