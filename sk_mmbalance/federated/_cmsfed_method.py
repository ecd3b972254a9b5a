"""`CMSFed`: which clients train, which of them their weak modality alone; prototypes help it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .. import networks
from ._local import Local
from ._losses import mean_credit, mean_cross_entropy
from ._messages import Arrays, Config, Order, Reply
from ._method import Method
from ._prototypes import (
    class_means,
    distance_logits,
    merge_prototypes,
    nearest_prototype_accuracy,
    prototype_losses,
    unit,
)
from ._ratios import accuracy_ratios, is_lopsided, weak_modality
from ._refusal import is_finite
from ._round_view import RoundView
from ._rows import in_batches, restrict
from ._selection import distance_table, greedy_selection

Vectors = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class CMSFedState:
    """What the server keeps; a round makes a new one.

    Attributes
    ----------
    probed : frozenset of str
        Clients that stand in the tables.
    joint, single : dict of client to dict of modality to ndarray
        Last update of each encoder: when the client used all it has, and when it used the
        modality alone. The distance tables are made from these.
    accuracies : dict of client to dict of modality to float
        A_m: nearest-prototype accuracy on the client's own rows.
    prototypes : dict of modality to (prototypes, known)
        Global prototypes.
    """

    probed: frozenset[str] = frozenset()
    joint: Vectors = field(default_factory=dict)
    single: Vectors = field(default_factory=dict)
    accuracies: dict[str, dict[str, float]] = field(default_factory=dict)
    prototypes: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CMSFed(Method):
    """Balanced selection at the server, prototypes at the clients.

    The settings are the parameters of `CMSFedClassifier` that concern the algorithm.
    """

    enhance_weight: float = 1.0
    unit_features: bool = True
    tau: float = 2.0
    candidate_fraction: float = 0.1
    distance: str = "euclidean"
    probe_lr: float | None = None
    keep_old_prototypes: bool = True
    own_prototypes: str = "owned"
    ratio_holdout: float = 0.0
    incomplete_clients: str = "include"
    first_visit: str = "trained"

    groups: ClassVar[tuple[str, ...]] = ("prototypes", "counts")

    # -- at a client -----------------------------------------------------------------------

    def prepare(self, local: Local) -> dict[str, Tensor]:
        """Take the global prototypes out of the order; the published visit has the client's own."""
        if local.order.kind == "probe" and self.first_visit == "initial":
            local.notes["visit"] = visit = self._measure(local)
            local.notes["prototypes"] = {
                name: (visit[0][name], visit[1][name] > 0) for name in local.used
            }
            return {}
        sent = local.order.arrays
        local.notes["prototypes"] = {
            name: (
                torch.from_numpy(np.array(sent["prototypes"][name])).to(local.device),
                torch.from_numpy(np.array(sent["known"][name])).to(local.device).bool(),
            )
            for name in local.used
            if name in sent.get("prototypes", {})
        }
        return {}

    def loss(self, local: Local, batch: networks.Batch, extras: dict[str, Tensor]) -> Tensor:
        """CE(H) + gamma P_weak: the weak modality's features go nearer to their prototypes."""
        X, codes = batch
        weight, present = X.get("weight"), X.get("present")
        module: Any = local.module
        z = module.encode(X["inputs"], present)
        logits = module.fuse(z, present, unimodal=False).logits
        loss = mean_cross_entropy(logits, codes, weight)
        prototypes = local.notes["prototypes"]
        # until every modality in use has prototypes nobody can say which is the weak one
        if not self.enhance_weight or set(prototypes) != set(local.used):
            return loss
        scores, terms = {}, {}
        for name, (means, known) in prototypes.items():
            features = z[name]
            if self.unit_features:
                features, means = unit(features), unit(means)
            away = distance_logits(features, means, known)
            losses, counted = prototype_losses(away, codes, known)
            here = counted if present is None else counted & present[name]
            terms[name] = networks.weighted_mean_loss(losses, weight, here)
            score = mean_credit(away.detach(), codes, weight, here)
            scores[name] = float("inf") if score is None else score
        least = min(scores.values())
        weak = [name for name, score in scores.items() if score == least]
        if len(weak) > 1:  # a tie
            return loss
        return loss + self.enhance_weight * terms[weak[0]]

    def report(self, local: Local) -> tuple[Arrays, Config]:
        """Prototypes, counts and nearest-prototype accuracies, after training.

        Those of the published first visit are of the model as it was received.
        """
        visited = local.notes.get("visit")
        means, counts, accuracies = visited or self._measure(local)
        config: Config = {"measured": list(local.held), "accuracies": list(accuracies)}
        if local.order.kind == "probe" and visited is None:
            return {}, config
        names = local.held if self.own_prototypes == "owned" else local.used
        sent = {
            "prototypes": {name: means[name].cpu().numpy() for name in names},
            "counts": {name: counts[name].cpu().numpy() for name in names},
        }
        return sent, config

    def _measure(self, local: Local) -> tuple[dict[str, Tensor], dict[str, Tensor], list[float]]:
        """Prototypes, counts and nearest-prototype accuracies of the model as it is."""
        rows = restrict(local.whole, local.held, local.device)
        features = _features(local.module, rows)
        means, counts, accuracies = {}, {}, []
        for name in local.held:
            here = slice(None) if rows.present is None else rows.present[name]
            z, codes = features[name][here], rows.codes[here]
            weight = None if rows.weight is None else rows.weight[here]
            accuracies.append(self._accuracy(local, z, codes, weight))
            means[name], counts[name] = class_means(z, codes, local.classes, weight)
        return means, counts, accuracies

    def _accuracy(self, local: Local, z: Tensor, codes: Tensor, weight: Tensor | None) -> float:
        """A_m on the rows that made the prototypes, or on rows held out from them."""
        fitted = measured = torch.arange(len(codes))
        n_out = int(self.ratio_holdout * len(codes))
        if n_out and n_out < len(codes):
            seed: Any = local.order.config["seed"]
            order = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))
            measured, fitted = order[:n_out], order[n_out:]
        fitted, measured = fitted.to(codes.device), measured.to(codes.device)

        def some(which: Tensor) -> Tensor | None:
            return None if weight is None else weight[which]

        means, counts = class_means(z[fitted], codes[fitted], local.classes, some(fitted))
        return nearest_prototype_accuracy(
            z[measured], codes[measured], means, counts > 0, some(measured)
        )

    # -- at the server ---------------------------------------------------------------------

    def start(self) -> CMSFedState:
        """Nothing is known yet."""
        return CMSFedState()

    def kept_to_plain(self, kept: CMSFedState) -> dict[str, Any]:
        """Its fields."""
        return dict(vars(kept))

    def kept_from_plain(self, plain: Mapping[str, Any]) -> CMSFedState:
        """Make it of its fields."""
        return CMSFedState(**plain)

    def to_probe(self, view: RoundView) -> list[str]:
        """All clients that do not stand in the tables."""
        return [client for client in view.clients if client not in view.kept.probed]

    def probe_rate(self) -> float:
        """`probe_lr`, where it is set."""
        return self.lr if self.probe_lr is None else self.probe_lr

    def absorb_probes(self, view: RoundView, replies: Mapping[str, Reply]) -> CMSFedState:
        """Fill the tables; nothing is aggregated."""
        kept: CMSFedState = view.kept
        updates = {client: _update(view, reply) for client, reply in replies.items()}
        return replace(
            kept,
            probed=kept.probed | set(replies),
            joint={**kept.joint, **updates},
            single={**kept.single, **updates},
            accuracies={**kept.accuracies, **_accuracies(replies)},
            prototypes=(
                self._merged(view, replies) if self.first_visit == "initial" else kept.prototypes
            ),
        )

    def _merged(
        self, view: RoundView, replies: Mapping[str, Reply]
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Global prototypes with what clients have sent."""
        kept: CMSFedState = view.kept
        merged = {
            name: merge_prototypes(
                kept.prototypes.get(name), _sent_prototypes(replies, name), self.keep_old_prototypes
            )
            for name in view.task.names
        }
        return {name: found for name, found in merged.items() if found is not None}

    def enclose(self, view: RoundView, client: str) -> Arrays:
        """Global prototypes of the modalities that the client has."""
        have = {
            name: pair for name, pair in view.kept.prototypes.items() if name in view.held[client]
        }
        if not have:
            return {}
        return {
            "prototypes": {name: pair[0] for name, pair in have.items()},
            "known": {name: pair[1] for name, pair in have.items()},
        }

    def why_refuse(self, view: RoundView, reply: Reply, order: Order) -> str | None:
        """Look at accuracies, prototypes and counts."""
        measured: Any = reply.config.get("measured", [])
        accuracies: Any = reply.config.get("accuracies", [])
        held = view.held.get(view.client or "", view.task.names)
        if sorted(measured) != sorted(held) or len(measured) != len(accuracies):
            return f"accuracies {accuracies!r} for modalities {measured!r}, it has {held}"
        # the tables of updates compare clients that have trained what they were asked for
        used, asked = (about.config["modalities"] for about in (reply, order))
        if set(used) != set(asked):  # type: ignore[arg-type]
            return f"trained {used!r}, was asked for {asked!r}"
        if not all(is_finite(value) and 0 <= value <= 1 for value in accuracies):
            return f"accuracies {accuracies!r}, not between 0 and 1"
        means, counts = (reply.arrays.get(group, {}) for group in ("prototypes", "counts"))
        n_classes = len(view.task.classes)
        if set(means) != set(counts) or not set(means) <= set(view.task.names):
            return f"prototypes of {sorted(means)} with counts of {sorted(counts)}"
        weight = view.weights.get(view.client or "", max(view.weights.values()))
        for name, mean in means.items():
            count = counts[name]
            pattern = view.model[f"fusion.maps.{networks.safe_key(name)}.weight"]
            if mean.shape != (n_classes, pattern.shape[1]) or count.shape != (n_classes,):
                return f"prototypes of {name!r} with shapes {mean.shape} and {count.shape}"
            if mean.dtype != pattern.dtype or count.dtype != np.float64:
                return f"prototypes of {name!r} with types {mean.dtype} and {count.dtype}"
            if (count < 0).any() or count.sum() > weight * (1 + 1e-6):
                return f"counts {count.tolist()} of {name!r}"
        return None

    def absorb(self, view: RoundView, replies: Mapping[str, Reply]) -> CMSFedState:
        """Refresh the tables' rows of the clients that have trained, and the prototypes."""
        kept: CMSFedState = view.kept
        updates = {client: _update(view, reply) for client, reply in replies.items()}
        joint = {c: u for c, u in updates.items() if set(u) == set(view.held[c])}
        single = {c: {**kept.single.get(c, {}), **u} for c, u in updates.items() if len(u) == 1}
        return replace(
            kept,
            joint={**kept.joint, **joint},
            single={**kept.single, **single},
            accuracies={**kept.accuracies, **_accuracies(replies)},
            prototypes=self._merged(view, replies),
        )

    def plan(self, view: RoundView) -> dict[str, list[str]]:
        """Facility location over the tables; uniform choice if there are none."""
        kept, names = view.kept, view.task.names
        clients = [client for client in view.clients if client in kept.probed]
        if not clients:
            return super().plan(view)
        ratios = accuracy_ratios({c: kept.accuracies[c] for c in clients}, names)
        weak, mean = weak_modality(ratios, view.weights, names)
        view.note(weak=weak, ratio=mean)
        held = {client: view.held[client] for client in clients}
        include = self.incomplete_clients == "include"
        can_join = np.array([include or len(held[c]) == len(names) for c in clients])
        can_weak = np.array([weak in held[c] and weak in kept.single[c] for c in clients])
        lopsided = [is_lopsided(ratios[c], weak, len(names), self.tau) for c in clients]
        n_chosen = self.n_chosen(len(view.clients))
        chosen = greedy_selection(
            distance_table(kept.joint, clients, names, can_join, self.distance),
            distance_table(kept.single, clients, [weak], can_weak, self.distance),
            can_join,
            can_weak,
            np.array(lopsided),
            n_chosen,
            int(max(n_chosen, self.candidate_fraction * len(view.clients))),
            view.rng(),
        )
        return {clients[i]: [weak] if alone else held[clients[i]] for i, alone in chosen}


def _update(view: RoundView, reply: Reply) -> dict[str, np.ndarray]:
    """u_m = received minus local weights of each encoder that was trained, as one vector."""
    before, after = view.model, reply.arrays["model"]
    used: Any = reply.config["modalities"]
    return {
        name: np.concatenate([(before[key] - after[key]).ravel() for key in view.parameters[name]])
        for name in used
    }


def _accuracies(replies: Mapping[str, Reply]) -> dict[str, dict[str, float]]:
    """A_m of every client that has answered."""
    found = {}
    for client, reply in replies.items():
        names: Any = reply.config["measured"]
        values: Any = reply.config["accuracies"]
        found[client] = dict(zip(names, map(float, values), strict=True))
    return found


def _sent_prototypes(
    replies: Mapping[str, Reply], name: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Prototypes and counts of a modality, from the clients that have sent some."""
    return [
        (reply.arrays["prototypes"][name], reply.arrays["counts"][name])
        for reply in replies.values()
        if name in reply.arrays.get("prototypes", {})
    ]


@torch.no_grad()
def _features(module: Any, rows: networks.ModalityRows) -> dict[str, Tensor]:
    """Embeddings of all rows, in eval mode."""
    module.eval()
    found = [module.encode(X["inputs"], X.get("present")) for X, _ in in_batches(rows)]
    return {name: torch.cat([part[name] for part in found]) for name in found[0]}
