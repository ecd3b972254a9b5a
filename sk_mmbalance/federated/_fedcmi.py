"""FedCMI: the globally dominant modality teaches the weak one inside each client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from .. import networks
from .._sklearn import Interval, StrOptions
from ._base import BaseFederatedClassifier
from ._crossmodal import CrossModalModule
from ._infiltration import class_confidence, class_temperatures, infiltration_loss
from ._local import Local
from ._losses import mean_credit, mean_cross_entropy
from ._messages import Arrays, Config, Memory
from ._method import Method
from ._rows import in_batches
from ._state_dicts import arrays_of
from ._task import Task


@dataclass(frozen=True, kw_only=True)
class FedCMI(Method):
    """Cross-modal infiltration at the clients, weighted means at the server.

    The settings are the parameters of `FedCMIClassifier` that concern the algorithm.
    """

    projector: str = "linear"
    self_weight: float = 2.0
    infiltration_weight: float = 1.0
    class_wise_temperature: bool = True
    sharpness: float = 2.0
    warmup_rounds: int = 1
    personal_branch: bool = False

    def build(self, task: Task) -> CrossModalModule:
        """Make the network, with weights drawn at random."""
        built = self._backbones(task)
        backbones = {name: module for name, (module, _) in built.items()}
        dims = {name: size for name, (_, size) in built.items()}
        n_classes = len(task.classes)
        slots = dict.fromkeys(dims, self.feature_dim)
        return CrossModalModule(
            backbones,
            networks.make_fusion("concat", slots, n_classes),
            networks.not_ours(self.backbones, backbones),
            dims,
            n_classes,
            self.feature_dim,
            self.projector,
        ).to(task.torch_dtype)

    # -- at a client -----------------------------------------------------------------------

    def prepare(self, local: Local) -> dict[str, Tensor]:
        """Ask the global model, as received, for its own branches' logits; take temperatures."""
        teaching = (
            len(local.used) > 1
            and self.infiltration_weight > 0
            and int(local.order.config["round"]) >= self.warmup_rounds  # type: ignore[arg-type]
        )
        teacher = _own_logits(local.module, local.rows) if teaching else {}
        local.notes["temperatures"] = self._temperatures(local, teacher)
        if self.personal_branch:
            self._restore(local)
        return teacher

    def _temperatures(self, local: Local, teacher: dict[str, Tensor]) -> dict[Any, Tensor]:
        """T for every pair of modalities in use; kept by the client as well."""
        rows = local.rows
        masks: Any = rows.present or dict.fromkeys(local.used)
        if not teacher:
            return {}
        p = {m: class_confidence(teacher[m], rows.codes, rows.weight, masks[m]) for m in teacher}
        found = {}
        for a, b in combinations(local.used, 2):
            table = class_temperatures(p[a], p[b], self.sharpness)
            found[a, b] = table if self.class_wise_temperature else torch.ones_like(table)
        local.memory = {
            **local.memory,
            "temperatures": {json.dumps(pair): t.cpu().numpy() for pair, t in found.items()},
        }
        return found

    def loss(self, local: Local, batch: networks.Batch, extras: dict[str, Tensor]) -> Tensor:
        """CE(H) + self_weight sum_m CE(s_m) + infiltration_weight L_inf.

        Rows with a single modality contribute to the first term only.
        """
        X, codes = batch
        weight, present = X.get("weight"), X.get("present")
        module: Any = local.module
        z = module.encode(X["inputs"], present)
        several = len(local.used) > 1
        output = module.fuse(z, present, unimodal=several)
        loss = mean_cross_entropy(output.logits, codes, weight)
        if not several:
            return loss
        taught: Any = dict.fromkeys(local.used)
        if present is not None:
            two = torch.stack(list(present.values())).sum(dim=0) > 1
            taught = {m: present[m] & two for m in local.used}
        if self.self_weight:
            own = [
                mean_cross_entropy(output.unimodal[m], codes, weight, taught[m]) for m in local.used
            ]
            loss = loss + self.self_weight * torch.stack(own).sum()
        if extras:
            found = self._infiltration(local, z, output.unimodal, codes, weight, taught, extras)
            loss = loss + self.infiltration_weight * found
        return loss

    def _infiltration(
        self,
        local: Local,
        z: dict[str, Tensor],
        own: dict[str, Tensor],
        codes: Tensor,
        weight: Tensor | None,
        taught: dict[str, Tensor | None],
        teacher: dict[str, Tensor],
    ) -> Tensor:
        """L_inf of a batch: its dominant modality teaches every other one."""
        module: Any = local.module
        score = {m: mean_credit(own[m].detach(), codes, weight, taught[m]) or 0.0 for m in own}
        # of equals the later one is dominant: "a if score_a > score_b else b"
        dominant = max(reversed(list(own)), key=score.__getitem__)
        terms = []
        for weak in own:
            if weak == dominant:
                continue
            table = local.notes["temperatures"][min(dominant, weak), max(dominant, weak)]
            scale = table.to(z[weak].dtype)[codes]
            losses = infiltration_loss(teacher[dominant], module.infiltrated(weak, z[weak]), scale)
            here, there = taught[dominant], taught[weak]
            both = None if here is None or there is None else here & there
            terms.append(networks.weighted_mean_loss(losses, weight, both))
        return torch.stack(terms).mean()

    def report(self, local: Local) -> tuple[Arrays, Config]:
        """Nothing but the weights leaves the client; personal branches stay in its memory."""
        if self.personal_branch:
            kept = [key for key in local.module.state_dict() if _personal(key)]
            state = local.module.state_dict()
            own = arrays_of({key: state[key] for key in kept})
            local.memory = {**local.memory, "personal": own}
        return {}, {}

    def _restore(self, local: Local) -> None:
        kept = local.memory.get("personal")
        if kept:
            state = {key: torch.from_numpy(np.array(value)) for key, value in kept.items()}
            networks.load_state(local.module, state, strict=False)


def _personal(key: str) -> bool:
    return key.startswith(("infiltration.", "heads."))


@torch.no_grad()
def _own_logits(module: nn.Module, rows: networks.ModalityRows) -> dict[str, Tensor]:
    """Logits s_m of every row, in eval mode."""
    module.eval()
    found = [module(X["inputs"], X.get("present")).unimodal for X, _ in in_batches(rows)]
    return {name: torch.cat([part[name] for part in found]) for name in found[0]}


@dataclass(kw_only=True, eq=False, repr=False)
class FedCMIClassifier(BaseFederatedClassifier):
    r"""Federated training in which the dominant modality teaches the weak one (FedCMI).

    Behind the encoder of every modality stand two projectors, one for the modality itself and one
    through which another modality may teach it, and one classifier for both. In each batch of a
    client, the modality that is surer of the truth is dominant: what the *global* model says of
    it, softened by a temperature for each class, is the target of the weak modality's second
    branch. A client with one modality fills the other's place with that branch.

    Parameters
    ----------
    projector : {"linear", "mlp"}, default="linear"
        A linear layer, or three with ReLU between them.
    self_weight : float, default=2.0
        Weight of every modality's own cross-entropy.
    infiltration_weight : float, default=1.0
        Weight lambda of the infiltration loss; 0 switches it off.
    class_wise_temperature : bool, default=True
        Whether classes have temperatures of their own; else all are 1.
    sharpness : float, default=2.0
        How much sharper the teaching is for classes in which the dominant modality is far ahead.
    warmup_rounds : int, default=1
        First rounds without infiltration: the global model has nothing to teach yet.
    prox_mu : float, default=0.0
        Strength of the pull ``mu (w - w_global)`` in local training.
    personal_branch : bool, default=False
        Whether a client keeps its own infiltration projectors and classifiers and goes on with
        them when it is chosen again. (They are sent and averaged as well.) See `for_client`.

    Attributes
    ----------
    temperatures_ : dict of client to dict of (str, str) to ndarray of shape (n_classes,)
        Last temperatures of each client, for each pair of modalities. Clients do not send them:
        they are known here only because the clients ran in this process.

    Notes
    -----
    For a row with modalities a and b, with own logits :math:`s_m`, infiltrated logits :math:`t_m`
    and fused logits H, the loss is

    .. math:: CE(H, y) + 2\, CE(s_a, y) + 2\, CE(s_b, y) - \lambda \sum_c q(c) \log p(c),

    :math:`q = softmax(s^{global}_{dom} / T_y)`, :math:`p = softmax(t_{weak} / T_y)`. The
    formulae follow the code of the authors' later BMSFed, for the paper's own code is not public;
    more than two modalities and modalities missing by row are ours: one slot per modality, the
    infiltration averaged over all modalities but the dominant one. Two details differ: in that
    code the dominant modality's second projector has gradients of zero, so that momentum, decay
    and the pull of `prox_mu` go on moving it, where here it has none and rests; and with
    `personal_branch` its temperatures come from the personal branches, here from the global model.

    References
    ----------
    .. [1] Fan et al., "Balanced Multi-modal Federated Learning via Cross-Modal
       Infiltration", arXiv 2401.00894.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> from sk_mmbalance.federated import FedCMIClassifier
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clients = np.arange(len(y)) % 5
    >>> clf = FedCMIClassifier(n_rounds=5, clients_per_round=3, lr=0.005, random_state=0)
    >>> clf = clf.fit(X[:1000], y[:1000], clients=clients[:1000])
    >>> bool(clf.score(X[1000:], y[1000:]) > 0.7)
    True
    """

    projector: str = "linear"
    self_weight: float = 2.0
    infiltration_weight: float = 1.0
    class_wise_temperature: bool = True
    sharpness: float = 2.0
    warmup_rounds: int = 1
    prox_mu: float = 0.0
    personal_branch: bool = False

    _method_class: ClassVar[type[Method]] = FedCMI

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseFederatedClassifier._parameter_constraints,
        "projector": [StrOptions({"linear", "mlp"})],
        "self_weight": [Interval(Real, 0, None, closed="left")],
        "infiltration_weight": [Interval(Real, 0, None, closed="left")],
        "class_wise_temperature": ["boolean"],
        "sharpness": [Interval(Real, 0, None, closed="left")],
        "warmup_rounds": [Interval(Integral, 0, None, closed="left")],
        "prox_mu": [Interval(Real, 0, None, closed="left")],
        "personal_branch": ["boolean"],
    }

    def _own_attributes(
        self, task: Task, kept: Any, memories: Mapping[str, Memory], labels: Mapping[str, Any]
    ) -> dict[str, Any]:
        found = {
            labels[client]: {
                tuple(json.loads(pair)): np.array(table)
                for pair, table in memory["temperatures"].items()
            }
            for client, memory in memories.items()
            if "temperatures" in memory
        }
        return {"temperatures_": found}
