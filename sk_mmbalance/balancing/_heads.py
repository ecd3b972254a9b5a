"""A growing number of classifier heads per modality, with a shared output layer."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks import ByModality, Embeddings, Fused, Presence, safe_key, weighted_mean


class GrowingHeads(nn.Module):
    """Heads of all modalities, and their fusion.

    Head ``t`` of modality ``m`` is ``z_{m,t} = W relu(R_{m,t} u_m + b_{m,t}) + c``: the hidden
    layer is its own, the output layer ``(W, c)`` is that of all heads. A modality's logits are
    the sum over its heads, ``Z_m = sum_t z_{m,t} = W sum_t h_{m,t} + n_m c``.

    The state dict carries the number of heads; loading it grows or shrinks the module to fit.

    Parameters
    ----------
    dims : mapping of str to int
        Sizes of the embeddings.
    n_classes : int
        Number of classes.
    width : int
        Size of the hidden layers.
    shared : bool
        Whether all modalities have one output layer, or each its own.
    n_heads : int or dict of str to int
        Heads at the start.
    combine : {"mean", "sum"}
        Whether the fusion divides a modality's logits by the number of its heads.
    weights : dict of str to float or None
        Weights of the modalities in the fusion; None weighs them equally.
    train_new : bool
        Whether heads added later are trained.
    """

    n_heads: Tensor

    #: what each modality gives of its own is trained, not derived from the fusion
    gives_own_logits = True

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        *,
        width: int,
        shared: bool,
        n_heads: Any,
        combine: str,
        weights: Mapping[str, float] | None,
        train_new: bool,
    ):
        super().__init__()
        self.dims = {name: dims[name] for name in sorted(dims)}
        self.width = width
        self.combine = combine
        self.set_weights(weights)
        self.train_new = train_new
        self.n_heads_init = (
            dict(n_heads) if isinstance(n_heads, Mapping) else dict.fromkeys(self.dims, n_heads)
        )
        # Drawn from torch's generator as it stands when the network is made, so that a head does
        # not depend on when it is added, and adding it draws nothing from that generator.
        self.seed = int(torch.randint(2**62, ()))
        self.generation = 0
        self.outputs = ByModality(
            {"": _xavier(width, n_classes)}
            if shared
            else {name: _xavier(width, n_classes) for name in self.dims}
        )
        self.shared = shared
        self.hidden = ByModality({name: nn.ModuleList() for name in self.dims})
        self.register_buffer("n_heads", torch.zeros(len(self.dims), dtype=torch.int64))
        for name in self.dims:
            self._resize(name, self.n_heads_init[name])

    def set_weights(self, weights: Mapping[str, float] | None) -> None:
        """Choose the weights of the modalities in the fusion; None weighs them equally."""
        self.weights = dict.fromkeys(self.dims, 1.0) if weights is None else dict(weights)

    # -- growing ---------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Number of heads of every modality."""
        return {name: len(self._heads(name)) for name in self.dims}

    def add_head(self, name: str) -> None:
        """Give modality `name` one more head, which takes part at once."""
        self._resize(name, len(self._heads(name)) + 1)

    def _resize(self, name: str, n: int) -> None:
        heads = self._heads(name)
        if len(heads) == n:
            return
        while len(heads) > n:
            del heads[-1]
        while len(heads) < n:
            heads.append(self._make_head(name, len(heads)))
        self.n_heads[list(self.dims).index(name)] = n
        self.generation += 1

    def _make_head(self, name: str, index: int) -> nn.Linear:
        entropy = [self.seed, zlib.crc32(name.encode()), index]
        seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)
        like = self._output(name).weight
        head = _xavier(self.dims[name], self.width, torch.Generator().manual_seed(seed))
        head.requires_grad_(bool(self.train_new) or index < self.n_heads_init[name])
        return head.to(device=like.device, dtype=like.dtype)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        stored = state_dict.get(f"{prefix}n_heads")
        if stored is not None and len(stored) == len(self.dims):
            for name, n in zip(self.dims, stored.tolist(), strict=True):
                own = f"{prefix}hidden.{safe_key(name)}."
                there = sum(key.startswith(own) and key.endswith(".weight") for key in state_dict)
                if n == there > 0:
                    self._resize(name, n)
                elif n != len(self._heads(name)):  # nothing is made that is not there
                    args[-1].append(f"{n} heads of {name!r} are said, and {there} are there")
        super()._load_from_state_dict(state_dict, prefix, *args)

    # -- logits ----------------------------------------------------------------------------

    def split(self, name: str, u: Tensor) -> tuple[Tensor | None, Tensor]:
        """Logits of all heads but the newest (None if it is the only one), and of the newest."""
        *older, newest = [F.relu(head(u)) for head in self._heads(name)]
        previous = self._classify(name, older) if older else None
        return previous, self._classify(name, [newest])

    def total(self, name: str, u: Tensor, n_heads: int | None = None) -> Tensor:
        """Sum of the logits of the first `n_heads` heads, by default of all."""
        return self._classify(name, [F.relu(head(u)) for head in self._heads(name)[:n_heads]])

    def fuse(
        self,
        totals: Mapping[str, Tensor],
        present: Presence = None,
        n_heads: Mapping[str, int] | None = None,
    ) -> Tensor:
        """Weighted mean of the modalities' logits over those present."""
        n_heads = self.counts() if n_heads is None else n_heads
        if self.combine == "mean":
            totals = {m: z if n_heads[m] == 1 else z / n_heads[m] for m, z in totals.items()}
        return weighted_mean(totals, self.weights, present)

    def shares(self, totals: Mapping[str, Tensor], present: Presence = None) -> dict[str, Any]:
        """Factor of each modality's logits in `fuse`: a number, or one for every row."""
        n_heads = self.counts()
        own = {m: self.weights[m] / (n_heads[m] if self.combine == "mean" else 1) for m in totals}
        if present is None:
            whole = sum(self.weights[m] for m in totals)
            return {m: share / whole for m, share in own.items()}
        here = {m: present[m].to(z.dtype)[:, None] for m, z in totals.items()}
        there = torch.stack([self.weights[m] * here[m] for m in totals]).sum(0)
        there = there.clamp_min(torch.finfo(there.dtype).tiny)
        return {m: share * here[m] / there for m, share in own.items()}

    def forward(
        self, embeddings: Embeddings, present: Presence = None, max_heads: int | None = None
    ) -> Fused:
        """Fused logits, and each modality's; `max_heads` looks at the first heads only."""
        totals = {m: self.total(m, u, max_heads) for m, u in embeddings.items()}
        n_heads = self.counts()
        if max_heads is not None:
            n_heads = {m: min(n, max_heads) for m, n in n_heads.items()}
        return self.fuse(totals, present, n_heads), totals

    def no_logits(self, n_rows: int) -> Tensor:
        """What stands for a modality that no row of a batch has."""
        bias = self._output(next(iter(self.dims))).bias
        return torch.zeros((n_rows, len(bias)), dtype=bias.dtype, device=bias.device)

    def _heads(self, name: str) -> Any:
        return self.hidden[name]

    def _output(self, name: str) -> Any:
        return self.outputs["" if self.shared else name]

    def _classify(self, name: str, hidden: list[Tensor]) -> Tensor:
        output = self._output(name)
        total = hidden[0]
        for h in hidden[1:]:
            total = total + h
        return F.linear(total, output.weight, len(hidden) * output.bias)


def _xavier(before: int, after: int, generator: torch.Generator | None = None) -> nn.Linear:
    layer = nn.utils.skip_init(nn.Linear, before, after)
    nn.init.xavier_normal_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
