"""CMSFed: which clients train, which of them their weak modality alone; prototypes help it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from ..base import PublishedFormMixin
from ..exceptions import NoUpdateWarning
from ..neural import parts
from ._base import BaseFederatedClassifier
from ._local import Local, in_batches, restrict
from ._messages import Arrays, Config, Memory, Order, Reply
from ._method import Method, mean_cross_entropy
from ._prototypes import (
    accuracy_ratios,
    class_means,
    distance_logits,
    merge_prototypes,
    nearest_prototype_accuracy,
    prototype_losses,
    unit,
)
from ._selection import greedy_selection, update_distances
from ._server import Server

Vectors = dict[str, dict[str, np.ndarray]]


@dataclass
class CMSFedState:
    """What the server keeps.

    Attributes
    ----------
    probed : set of str
        Clients that stand in the tables.
    joint, single : dict of client to dict of modality to ndarray
        Last update of each encoder: when the client used all it has, and when it used the
        modality alone. The distance tables are made from these.
    accuracies : dict of client to dict of modality to float
        A_m: nearest-prototype accuracy on the client's own rows.
    prototypes : dict of modality to (prototypes, known)
        Global prototypes.
    """

    probed: set[str] = field(default_factory=set)
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

    probes: ClassVar[bool] = True

    # -- at a client -----------------------------------------------------------------------

    def prepare(self, local: Local) -> dict[str, Tensor]:
        """Take the global prototypes out of the order."""
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

    def loss(self, local: Local, batch: parts.Batch, extras: dict[str, Tensor]) -> Tensor:
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
            terms[name] = parts.weighted_mean_loss(losses, weight, here)
            scores[name] = _mean_probability(away.detach(), codes, weight, here)
        least = min(scores.values())
        weak = [name for name, score in scores.items() if score == least]
        if len(weak) > 1:  # a tie
            return loss
        return loss + self.enhance_weight * terms[weak[0]]

    def report(self, local: Local) -> tuple[Arrays, Config]:
        """Prototypes, counts and nearest-prototype accuracies, after training."""
        names = local.held if self.own_prototypes == "owned" else local.used
        rows = restrict(local.whole, local.held, local.device)
        features = _features(local.module, rows)
        means, counts, accuracies = {}, {}, []
        for name in local.held:
            here = slice(None) if rows.present is None else rows.present[name]
            z, codes = features[name][here], rows.codes[here]
            weight = None if rows.weight is None else rows.weight[here]
            accuracies.append(self._accuracy(local, z, codes, weight))
            if name in names:
                mean, count = class_means(z, codes, local.classes, weight)
                means[name], counts[name] = mean.cpu().numpy(), count.cpu().numpy()
        config: Config = {"measured": list(local.held), "accuracies": list(accuracies)}
        if local.order.kind == "probe":
            return {}, config
        return {"prototypes": means, "counts": counts}, config

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

    def start(self, server: Server) -> CMSFedState:
        """Nothing is known yet."""
        return CMSFedState()

    def enclose(self, server: Server, client: str) -> Arrays:
        """Global prototypes of the modalities that the client has."""
        have = {
            name: pair
            for name, pair in server.method_state.prototypes.items()
            if name in server.held[client]
        }
        if not have:
            return {}
        return {
            "prototypes": {name: pair[0] for name, pair in have.items()},
            "known": {name: pair[1] for name, pair in have.items()},
        }

    def why_refuse(self, server: Server, reply: Reply, order: Order) -> str | None:
        """Look at accuracies, prototypes and counts."""
        measured: Any = reply.config.get("measured", [])
        accuracies: Any = reply.config.get("accuracies", [])
        if not set(measured) <= set(server.task.names) or len(measured) != len(accuracies):
            return f"accuracies {accuracies!r} for modalities {measured!r}"
        if not all(0 <= float(value) <= 1 for value in accuracies):
            return f"accuracies {accuracies!r}, not between 0 and 1"
        means, counts = (reply.arrays.get(group, {}) for group in ("prototypes", "counts"))
        n_classes = len(server.task.classes)
        if set(means) != set(counts) or not set(means) <= set(server.task.names):
            return f"prototypes of {sorted(means)} with counts of {sorted(counts)}"
        for name, mean in means.items():
            old = server.method_state.prototypes.get(name)
            if (
                mean.ndim != 2
                or len(mean) != n_classes
                or counts[name].shape != (n_classes,)
                or (old is not None and old[0].shape != mean.shape)
                or (counts[name] < 0).any()
            ):
                return f"prototypes of {name!r} with shapes {mean.shape} and {counts[name].shape}"
        return None

    def absorb_probes(self, server: Server, replies: dict[str, Reply]) -> None:
        """Fill the tables; nothing is aggregated."""
        state = server.method_state
        for client, reply in replies.items():
            self._take_accuracies(state, client, reply)
            state.joint[client] = self._update(server, server.state, reply)
            state.single[client] = dict(state.joint[client])
            state.probed.add(client)
        for client in server.clients:
            if client not in state.probed:
                warnings.warn(
                    f"Client {client!r} could not be probed and will not be chosen.",
                    NoUpdateWarning,
                    stacklevel=7,
                )

    def absorb(self, server: Server, replies: dict[str, Reply]) -> None:
        """Refresh the tables' rows of the clients that have trained, and the prototypes."""
        state = server.method_state
        for client, reply in replies.items():
            self._take_accuracies(state, client, reply)
            update = self._update(server, server.received, reply)
            if set(update) == set(server.held[client]):
                state.joint[client] = update
            if len(update) == 1:
                state.single.setdefault(client, {}).update(update)
        for name in server.task.names:
            sent = [
                (r.arrays["prototypes"][name], r.arrays["counts"][name])
                for r in replies.values()
                if name in r.arrays.get("prototypes", {})
            ]
            merged = merge_prototypes(state.prototypes.get(name), sent, self.keep_old_prototypes)
            if merged is None:
                state.prototypes.pop(name, None)
            else:
                state.prototypes[name] = merged

    def _take_accuracies(self, state: CMSFedState, client: str, reply: Reply) -> None:
        names: Any = reply.config["measured"]
        values: Any = reply.config["accuracies"]
        state.accuracies[client] = dict(zip(names, map(float, values), strict=True))

    def _update(
        self, server: Server, before: dict[str, np.ndarray], reply: Reply
    ) -> dict[str, np.ndarray]:
        """u_m = received minus local weights of each encoder that was trained, as one vector."""
        after = reply.arrays["model"]
        used: Any = reply.config["modalities"]
        return {
            name: np.concatenate(
                [
                    (before[key] - after[key]).ravel()
                    for key in server.blocks[name]
                    if key in server.parameter_keys
                ]
            )
            for name in used
        }

    def plan(self, server: Server) -> dict[str, list[str]]:
        """Facility location over the tables; uniform choice if there are none."""
        state, names = server.method_state, server.task.names
        clients = [client for client in server.clients if client in state.probed]
        if not clients:
            return super().plan(server)
        ratios = accuracy_ratios({c: state.accuracies[c] for c in clients}, names)
        weak, mean = self._weak(server, clients, ratios)
        server.note(weak=weak, ratio=mean)
        held = {client: server.held[client] for client in clients}
        can_join = np.array(
            [
                self.incomplete_clients == "include" or len(held[client]) == len(names)
                for client in clients
            ]
        )
        can_weak = np.array(
            [weak in held[client] and weak in state.single[client] for client in clients]
        )
        n_chosen = self.n_chosen(len(server.clients))
        chosen = greedy_selection(
            self._table(state.joint, clients, names, can_join),
            self._table(state.single, clients, [weak], can_weak),
            can_join,
            can_weak,
            np.array([self._lopsided(ratios[client], weak, len(names)) for client in clients]),
            n_chosen,
            int(max(n_chosen, self.candidate_fraction * len(server.clients))),
            server.rng("plan", server.round),
        )
        return {clients[i]: [weak] if alone else held[clients[i]] for i, alone in chosen}

    def _weak(
        self, server: Server, clients: list[str], ratios: dict[str, dict[str, float]]
    ) -> tuple[str, Any]:
        """The modality that is behind, and the federation's ratio(s)."""
        names = server.task.names
        if len(names) == 2:
            a, b = names
            weight = np.array([server.weights[client] for client in clients])
            rho = np.array([ratios[c].get(a, 1.0) for c in clients])
            mean = float((weight * rho).sum() / weight.sum())
            return (b if mean > 1 else a), mean
        means = {}
        for name in names:
            having = [client for client in clients if name in ratios[client]]
            weight = np.array([server.weights[client] for client in having])
            values = np.array([ratios[client][name] for client in having])
            means[name] = float((weight * values).sum() / weight.sum()) if having else np.inf
        return min(names, key=lambda name: means[name]), means

    def _lopsided(self, own: dict[str, float], weak: str, n_modalities: int) -> bool:
        """Whether another modality of the client is more than tau times as good."""
        if weak not in own or len(own) < 2:
            return False
        lead = max(value for name, value in own.items() if name != weak)
        # with two modalities the lead is a ratio of accuracies already
        return lead > self.tau if n_modalities == 2 else lead / own[weak] > self.tau

    def _table(
        self, vectors: Vectors, clients: list[str], names: list[str], counted: np.ndarray
    ) -> np.ndarray:
        """Distances between the clients that are counted; zeros elsewhere."""
        table = np.zeros((len(clients), len(clients)))
        where = np.flatnonzero(counted)
        if len(where):
            own = [vectors[clients[i]] for i in where]
            sizes = {m: len(u) for update in own for m, u in update.items()}
            # an encoder that a client lacks has not been moved by it
            updates = [[u.get(m, np.zeros(sizes[m])) for m in names if m in sizes] for u in own]
            table[np.ix_(where, where)] = update_distances(updates, self.distance)
        return table


def _mean_probability(logits: Tensor, codes: Tensor, weight: Tensor | None, mask: Tensor) -> float:
    right = F.softmax(logits, dim=1).gather(1, codes[:, None])[:, 0]
    share = torch.ones_like(right) if weight is None else weight
    share = torch.where(mask, share, torch.zeros_like(share))
    total = share.sum()
    return float((share * right).sum() / total) if bool(total > 0) else float("inf")


@torch.no_grad()
def _features(module: Any, rows: parts.ModalityRows) -> dict[str, Tensor]:
    """Embeddings of all rows, in eval mode."""
    module.eval()
    found = [module.encode(X["inputs"], X.get("present")) for X, _ in in_batches(rows)]
    return {name: torch.cat([part[name] for part in found]) for name in found[0]}


@dataclass(kw_only=True, eq=False, repr=False)
class CMSFedClassifier(PublishedFormMixin, BaseFederatedClassifier):
    r"""Federated training that balances modalities by choosing clients (CMSFed, BMSFed).

    In every round the server chooses clients so that their updates stand close to those of all
    clients, and lets those in which the weak modality is far behind train that modality alone.
    A client's loss draws the features of the weak modality towards the prototypes (class means)
    of the whole federation.

    A client reveals more than in `FedAvgClassifier`: with its prototypes go its class counts and
    its mean features, and its accuracies per modality.

    Parameters
    ----------
    enhance_weight : float, default=1.0
        Weight gamma of the prototype term; 0 leaves the balanced selection alone.
    unit_features : bool, default=True
        Whether the prototype term compares directions: features and prototypes scaled to length
        one. False takes them as they are, as published; with encoders that do not bound their
        features these then grow from round to round, and training may break down.
    tau : float, default=2.0
        A client trains its weak modality alone if another one is more than `tau` times as
        accurate. ``float("inf")`` never does so. The authors' code has 1, 1.5 and 2; in our
        benchmark 1 lets the strong modalities starve.
    candidate_fraction : float, default=0.1
        Share of the clients among which each next one is sought, drawn anew each time (never
        fewer than are chosen in a round).
    distance : {"euclidean", "cosine"}, default="euclidean"
        Distance between two clients' updates. "cosine" is not dominated by larger encoders and
        longer updates.
    probe_lr : float, default=None
        Learning rate of the one epoch in which every client is visited before the first round;
        None takes `lr`.
    keep_old_prototypes : bool, default=True
        Whether a class that no chosen client has keeps its prototype; else it has none until it
        is seen again.
    own_prototypes : {"owned", "trained"}, default="owned"
        Whether a client sends prototypes of all modalities that it has, as published, or only of
        those it has just trained (the others come from an encoder that stood still).
    ratio_holdout : float, default=0.0
        Share of a client's rows that are left out of the prototypes by which its accuracies are
        measured, and are what they are measured on; 0 measures on the prototypes' own rows, as
        published.
    incomplete_clients : {"include", "exclude"}, default="include"
        Whether a client that lacks a modality stands in the table of joint updates (an encoder
        that it lacks was not moved). "exclude" leaves it out, and unless `tau` is below 1 such a
        client is then chosen only where there are no others.

    Attributes
    ----------
    prototypes_ : dict of str to ndarray of shape (n_classes, feature_dim)
        Global prototypes of each modality; NaN for a class that has none.
    ratio_ : DataFrame
        One row a client: nearest-prototype accuracy of each modality, and ``ratio``: with two
        modalities that of the first to the second, else of the best to the worst.

    Notes
    -----
    With ``P_m = mean_i CE(-||z_m(i) - g_m(.)||, y_i)`` the loss is
    :math:`CE(H, y) + \gamma P_{weak}`, where the weak modality of a batch is the one whose
    features tell the true class less surely by distance. The formulae follow the authors' code;
    `published` makes the published form, which has ``tau=1.0, unit_features=False``. More than two
    modalities, modalities missing by row, the probing learning rate (the code's is 0, so that its
    first choice is arbitrary), prototypes of absent classes, `unit_features` and `distance` are
    ours. The prototype term starts once there are global prototypes, after the first round.

    References
    ----------
    .. [1] Fan et al., "Client-wise Modality Selection for Balanced Multi-modal Federated
       Learning" (later: "Balanced modality selection in multi-modal federated learning"), arXiv
       2401.00403.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> from sk_mmbalance.federated import CMSFedClassifier
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clients = np.arange(len(y)) % 5
    >>> clf = CMSFedClassifier(n_rounds=5, clients_per_round=3, lr=0.01, random_state=0)
    >>> clf = clf.fit(X[:1000], y[:1000], clients=clients[:1000])
    >>> bool(clf.score(X[1000:], y[1000:]) > 0.7)
    True
    """

    enhance_weight: float = 1.0
    unit_features: bool = True
    tau: float = 2.0
    candidate_fraction: float = 0.1
    distance: str = "euclidean"
    probe_lr: Any = None
    keep_old_prototypes: bool = True
    own_prototypes: str = "owned"
    ratio_holdout: float = 0.0
    incomplete_clients: str = "include"

    _published: ClassVar[Mapping[str, Any]] = {"tau": 1.0, "unit_features": False}
    _method_class: ClassVar[type[Method]] = CMSFed

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseFederatedClassifier._parameter_constraints,
        "enhance_weight": [Interval(Real, 0, None, closed="left")],
        "unit_features": ["boolean"],
        "tau": [Interval(Real, 0, None, closed="right")],
        "candidate_fraction": [Interval(Real, 0, 1, closed="both")],
        "distance": [StrOptions({"euclidean", "cosine"})],
        "probe_lr": [Interval(Real, 0, None, closed="neither"), None],
        "keep_old_prototypes": ["boolean"],
        "own_prototypes": [StrOptions({"owned", "trained"})],
        "ratio_holdout": [Interval(Real, 0, 1, closed="left")],
        "incomplete_clients": [StrOptions({"include", "exclude"})],
    }

    def _own_attributes(
        self, server: Server, memories: dict[str, Memory], labels: dict[str, Any]
    ) -> dict[str, Any]:
        state, names = server.method_state, server.task.names
        prototypes = {
            name: np.where(known[:, None], means, np.nan)
            for name, (means, known) in state.prototypes.items()
        }
        table = pd.DataFrame(
            {name: [own.get(name, np.nan) for own in state.accuracies.values()] for name in names},
            index=[labels[client] for client in state.accuracies],
        )
        ratios = accuracy_ratios(state.accuracies, names).values()
        if len(names) == 2:
            table["ratio"] = [own.get(names[0], 1.0) for own in ratios]
        else:
            table["ratio"] = [max(own.values()) / min(own.values()) for own in ratios]
        return {"prototypes_": prototypes, "ratio_": table}
