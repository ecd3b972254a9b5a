"""`Method`: a federated algorithm, both what it does at a client and at the server.

A method holds its settings and nothing else, so that server and clients can each make the same
one from the same words. State lives in the `Server` and in a client's memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .. import networks
from ..neural import OPTIMIZERS
from ._local import Local
from ._losses import mean_cross_entropy
from ._messages import Arrays, Config, Order, Reply
from ._round_view import RoundView
from ._task import Task


@dataclass(frozen=True, kw_only=True)
class Method:
    """Settings that all methods share, and the hooks in which they differ.

    The parameters are those of the estimators, see `FedAvgClassifier`.
    """

    backbones: Any = "auto"
    hidden_layer_sizes: tuple[int, ...] = (64,)
    feature_dim: int = 64
    dropout: float = 0.0
    n_rounds: int = 30
    clients_per_round: int | float = 0.5
    local_epochs: int = 2
    batch_size: int = 64
    optimizer: str = "sgd"
    lr: float = 0.03
    lr_min: float | None = None
    lr_hold: int = 0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    prox_mu: float = 0.0
    dropout_rate: float | Callable[[int, Any], float] = 0.0
    straggler_rate: float | Callable[[int, Any], float] = 0.0
    evaluate_every: int = 1
    aggregation: str = "mean"
    trim: float = 0.2
    clip_norm: float | str = "median"

    #: groups of arrays that a reply brings beside the model
    groups: ClassVar[tuple[str, ...]] = ()

    # -- both sides ------------------------------------------------------------------------

    def build(self, task: Task) -> networks.MultimodalModule:
        """Make the network, with weights drawn at random."""
        built = self._backbones(task)
        backbones = {name: module for name, (module, _) in built.items()}
        dims = {name: size for name, (_, size) in built.items()}
        fusion = networks.make_fusion("concat", dims, len(task.classes))
        module = networks.MultimodalModule(
            backbones, fusion, None, networks.not_ours(self.backbones, backbones)
        )
        return module.to(task.torch_dtype)

    def _backbones(self, task: Task) -> dict[str, tuple[nn.Module, int]]:
        return networks.make_backbones(
            self.backbones,
            task.shapes,
            task.torch_dtype,
            task.sequences,
            embedding_dim=self.feature_dim,
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            dropout=self.dropout,
        )

    def rate(self, round_number: int) -> float:
        """Learning rate of a round (the first is 0): ``lr``, then falling to ``lr_min``."""
        if self.lr_min is None or round_number < self.lr_hold:
            return self.lr
        return self.lr - (self.lr - self.lr_min) * min(1.0, round_number / self.n_rounds)

    def n_chosen(self, n_clients: int) -> int:
        """Number of clients a round; a share is rounded up."""
        wanted = self.clients_per_round
        if isinstance(wanted, float):
            # 1e-9: a share of 0.1 of 30 clients is 3, though 0.1 * 30 is a little more
            wanted = math.ceil(wanted * n_clients - 1e-9)
        return max(1, min(int(wanted), n_clients))

    # -- at a client -----------------------------------------------------------------------

    def make_optimizer(self, module: nn.Module, lr: float) -> torch.optim.Optimizer:
        """Make a fresh optimiser."""
        cls, options = OPTIMIZERS[self.optimizer]
        options = {**options, "weight_decay": self.weight_decay}
        if "momentum" in options:
            options["momentum"] = self.momentum
        made = cls(module.parameters(), lr=lr, **options)  # type: ignore[call-arg]
        if options.get("momentum"):
            # A weight may get its first gradient in a later step (when its modality becomes the
            # weak one), which torch's fused step cannot take. Zeros are what it would begin with.
            for weight in module.parameters():
                made.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        return made

    def prepare(self, local: Local) -> dict[str, Tensor]:
        """Get ready for local training; return tensors by row that `loss` needs."""
        return {}

    def loss(self, local: Local, batch: networks.Batch, extras: dict[str, Tensor]) -> Tensor:
        """Loss of one batch: here, cross-entropy of the fused prediction."""
        X, codes = batch
        output = local.module(X["inputs"], X.get("present"), unimodal=False)
        return mean_cross_entropy(output.logits, codes, X.get("weight"))

    def report(self, local: Local) -> tuple[Arrays, Config]:
        """What a reply brings beside weights, after training."""
        return {}, {}

    # -- at the server ---------------------------------------------------------------------

    def start(self) -> Any:
        """What the method keeps at the server before the first round."""
        return None

    def kept_to_plain(self, kept: Any) -> Any:
        """What `start` and `absorb` gave, in plain values, for a checkpoint.

        Numbers, text, lists, tuples, dicts, sets and arrays.
        """
        return kept

    def kept_from_plain(self, plain: Any) -> Any:
        """Give it back."""
        return plain

    def to_probe(self, view: RoundView) -> list[str]:
        """Clients to be visited before rounds begin; here, none."""
        return []

    def probe_rate(self) -> float:
        """Learning rate of the one epoch of such a visit."""
        return self.lr

    def absorb_probes(self, view: RoundView, replies: Mapping[str, Reply]) -> Any:
        """Return what to keep, after the visits; nothing is aggregated."""
        return view.kept

    def plan(self, view: RoundView) -> dict[str, list[str]]:
        """Clients of this round, in order of choice, and the modalities that each shall train.

        Here, uniformly without replacement, and all that a client holds.
        """
        clients = view.clients
        chosen = view.rng().choice(len(clients), self.n_chosen(len(clients)), replace=False)
        return {clients[i]: view.held[clients[i]] for i in chosen}

    def enclose(self, view: RoundView, client: str) -> Arrays:
        """Groups of arrays that an order to train brings beside the model."""
        return {}

    def why_refuse(self, view: RoundView, reply: Reply, order: Order) -> str | None:
        """Say what is wrong with the method's own part of a reply; None if nothing is."""
        return None

    def absorb(self, view: RoundView, replies: Mapping[str, Reply]) -> Any:
        """Return what to keep, after a round's good replies; the server averages the weights."""
        return view.kept
