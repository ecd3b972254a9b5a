"""`Server`: the round loop, free of any engine.

An engine drives it, and nothing else is needed::

    server = Server(method, task, clients=["0", "1", "2"], seed=0)
    while not server.finished:
        server.receive(engine.exchange(server.orders()))

The phases are: every client says how many rows and which modalities it has; every client is
probed, if the method asks for it; then in each round some clients train and, after the
aggregation, all are asked how well the new model does.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
import torch

from .. import networks
from ..exceptions import NoUpdateWarning
from ._aggregation import SHARED, aggregate, split_by_modality
from ._measuring import correct_rows, pooled_accuracies, ratio
from ._messages import Config, Failure, Order, Reply, n_bytes
from ._method import Method
from ._refusal import why_not_described, why_refuse, why_too_large
from ._round_view import RoundView
from ._rows import restrict
from ._state_dicts import State, arrays_of, load_arrays
from ._task import Task

Replies = Mapping[str, Reply | Failure]
#: What makes one state of several clients': `aggregate`, or an engine's own.
Aggregate = Callable[..., State]

#: Independent streams of random numbers: one more draw in one of them changes no other.
_STREAMS = {"plan": 1, "train": 2, "dropout": 3, "straggler": 4, "probe": 5, "describe": 6}

#: What is other after a round than before it, and cannot be made again.
_CHANGES = (
    "absent",
    "clients",
    "held",
    "history",
    "phase",
    "plans",
    "round",
    "selection",
    "state",
    "weights",
    "_told",
)

#: From a warning here to the line that called `fit`: `receive`, the engine's and the estimator's
#: `run`, `fit` and its wrapper lie between.
_USER = 7


class Server:
    """State and decisions of the server.

    Parameters
    ----------
    method : Method
        The algorithm.
    task : Task
        Modalities, classes and precision.
    clients : sequence of str
        Ids of the clients. Seeds go by their position, so keep the order.
    seed : int, default=0
        Seed of initial weights, choices and orders of rows.
    n_rounds : int, default=None
        Rounds to run; None takes the method's.
    holdout : ModalityRows, default=None
        Rows at the server on which every round's model is measured.

    Attributes
    ----------
    state : dict of str to ndarray
        The global model.
    clients : list of str
        Clients that take part.
    held : dict of str to list of str
        Modalities of every client.
    weights : dict of str to float
        Weight n_k of every client.
    round : int
        Number of finished rounds.
    history : list of dict
        One record a round.
    selection : list of dict
        One record for every client that was asked to train, and what became of it.
    plans : list of dict of str to list of str
        What was planned in each round.
    method_state : object
        What the method keeps at the server.
    """

    def __init__(
        self,
        method: Method,
        task: Task,
        clients: Sequence[str],
        seed: int = 0,
        n_rounds: int | None = None,
        holdout: networks.ModalityRows | None = None,
    ):
        self.method = method
        self.task = task
        self.seed = seed
        self.holdout = holdout
        self.round = 0
        self.held: dict[str, list[str]] = {}
        self.weights: dict[str, float] = {}
        self.history: list[dict[str, Any]] = []
        self.selection: list[dict[str, Any]] = []
        self.plans: list[dict[str, list[str]]] = []
        self.absent: dict[str, str] = {}
        with networks.Draws(seed).of_everything():
            module = method.build(task)
        self.state: State = arrays_of(module.state_dict())
        self.blocks = split_by_modality(self.state, task.names)
        trained = {key for key, _ in module.named_parameters()}
        self._parameters = {
            name: [key for key in self.blocks[name] if key in trained] for name in task.names
        }
        self.known: list[str] = []
        self.clients: list[str] = []
        self.method_state = method.start()
        self.resume(clients, n_rounds)

    def resume(self, clients: Sequence[str], n_rounds: int | None = None) -> None:
        """Get ready for (more) rounds, possibly with other clients."""
        clients = list(clients)
        if not clients or len(set(clients)) < len(clients):
            raise ValueError(f"`clients` must be one or more different ids; got {clients}.")
        self.known += [client for client in clients if client not in self.known]
        self.clients = clients
        self._until = self.round + (self.method.n_rounds if n_rounds is None else n_rounds)
        self.phase = "describe"
        self._told: set[str] = set()
        self._sent: dict[str, Order] = {}
        self._row: dict[str, Any] = {}
        # what is sent before the first round is put down to it
        self._early_bytes = [0, 0]

    @property
    def finished(self) -> bool:
        """Whether all rounds are done."""
        return self.phase == "finished"

    @property
    def n_left(self) -> int:
        """Number of rounds that are still to run."""
        return self._until - self.round

    def settle(self) -> None:
        """Go back to the last whole round, after an interruption."""
        if len(self.history) < self.round:  # the weights are there, only the figures are not
            self._close_round()
        self.plans = self.plans[: self.round]

    def snapshot(self) -> dict[str, Any]:
        """All that a later process needs to go on after a whole round, in plain values."""
        kept = self.method.kept_to_plain(self.method_state)
        return {**{name: getattr(self, name) for name in _CHANGES}, "method_state": kept}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from a snapshot of a server that was made as this one."""
        kept = self.method.kept_from_plain(snapshot["method_state"])
        self.__dict__.update(snapshot, method_state=kept, _early_bytes=[0, 0])

    def view(self) -> RoundView:
        """What the hooks of the method see."""
        return RoundView(
            round=self.round,
            task=self.task,
            clients=self.clients,
            held=self.held,
            weights=self.weights,
            model=self.state,
            parameters=self._parameters,
            kept=self.method_state,
            seed=(self.seed, _STREAMS["plan"], self.round),
        )

    def rng(self, stream: str, *numbers: int) -> np.random.Generator:
        """Random numbers of one purpose and round, independent of all others."""
        return np.random.default_rng([self.seed, _STREAMS[stream], *numbers])

    def position(self, client: str) -> int:
        """Number of a client, for its seeds."""
        return self.known.index(client)

    # -- orders ----------------------------------------------------------------------------

    def orders(self) -> dict[str, Order]:
        """Next orders, by client; may be empty (then `receive` an empty answer)."""
        if self.phase == "describe":
            self._sent = {client: Order("describe") for client in self.clients}
        elif self.phase == "probe":
            self._sent = {c: self._probe(c) for c in self.method.to_probe(self.view())}
        elif self.phase == "train":
            self._sent = self._training_orders()
        elif self.phase == "evaluate":
            order = Order("evaluate", {"model": self.state})
            self._sent = dict.fromkeys(self.clients, order)
        else:
            self._sent = {}
        return dict(self._sent)

    def _probe(self, client: str) -> Order:
        lr = self.method.probe_rate()
        config = self._training_config("probe", client, self.held[client], 0, lr, 1)
        return Order("probe", {"model": self.state}, config)

    def _training_orders(self) -> dict[str, Order]:
        self._started = time.perf_counter()
        lr, epochs = self.method.rate(self.round), self.method.local_epochs
        view = self.view()
        plan = self.method.plan(view)
        self._row = {"round": self.round + 1, "lr": lr, **view.notes}
        self.plans.append({client: list(names) for client, names in plan.items()})
        self._fate: dict[str, str] = {}
        orders = {}
        for client, names in plan.items():
            if self._strikes("dropout", self.method.dropout_rate, client):
                self._fate[client] = "dropped"
                continue
            config = self._training_config("train", client, names, self.round, lr, epochs)
            arrays = {"model": self.state, **self.method.enclose(view, client)}
            orders[client] = Order("train", arrays, config)
        return orders

    def _training_config(
        self, stream: str, client: str, names: Sequence[str], number: int, lr: float, epochs: int
    ) -> Config:
        seed = self.rng(stream, number, self.position(client)).integers(2**62)
        return {
            "round": number,
            "seed": int(seed),
            "lr": float(lr),
            "epochs": int(epochs),
            "modalities": list(names),
        }

    def _strikes(self, stream: str, rate: Any, client: str) -> bool:
        """Whether a simulated mishap happens to a client in this round."""
        if callable(rate):
            rate = _rate_of(rate, f"{stream}_rate", self.round + 1, client)
        if not rate:
            return False
        return bool(self.rng(stream, self.round, self.position(client)).random() < float(rate))

    # -- replies ---------------------------------------------------------------------------

    def receive(self, replies: Replies, aggregate: Aggregate = aggregate) -> None:
        """Take in the answers to the last orders, and move on.

        Parameters
        ----------
        replies : mapping of str to Reply or Failure
            Answers by client; who is not among them has not replied.
        aggregate : callable, default=aggregate
            Called as ``aggregate(state, updates, how, trim, clip_norm)`` with the good updates:
            an engine may bring its own.
        """
        answers = {c: replies.get(c, Failure("no reply")) for c in self._sent}
        down = sum(n_bytes(order) for order in self._sent.values())
        up = sum(n_bytes(answer) for answer in answers.values())
        if self.phase == "describe":
            self._count_early(down, up)
            self._take_descriptions(answers)
            self.phase = "probe" if self.method.to_probe(self.view()) else "train"
        elif self.phase == "probe":
            self._count_early(down, up)
            self._take_probes(answers)
            self.phase = "train"
        elif self.phase == "train":
            self._row |= {
                "bytes_down": down + self._early_bytes[0],
                "bytes_up": up + self._early_bytes[1],
            }
            self._take_updates(answers, aggregate)
            if self.phase != "evaluate":
                self._close_round()
        elif self.phase == "evaluate":
            self._row |= {
                "bytes_evaluation": down + up,
                **pooled_accuracies(answers, self.task, self.weights),
            }
            self._close_round()
        if self.phase == "train" and self.round >= self._until:
            self.phase = "finished"

    def _count_early(self, down: int, up: int) -> None:
        self._early_bytes = [self._early_bytes[0] + down, self._early_bytes[1] + up]

    def _take_descriptions(self, answers: Replies) -> None:
        for client, answer in answers.items():
            reason = why_not_described(answer, self.task)
            if reason is not None:
                self.absent[client] = reason
                warnings.warn(
                    f"Client {client!r} takes no part: {reason}.", NoUpdateWarning, stacklevel=_USER
                )
                continue
            about: Any = answer.config  # type: ignore[union-attr]
            self.absent.pop(client, None)
            self.held[client] = sorted(about["modalities"])
            self.weights[client] = float(about["n"])
        self.clients = [client for client in self.clients if client not in self.absent]
        if not self.clients:
            raise RuntimeError(f"No client can take part: {self.absent}.")

    def _take_probes(self, answers: Replies) -> None:
        view = self.view()
        reasons = {c: self._why_refuse(view, c, answer) for c, answer in answers.items()}
        good = {c: r for c, r in answers.items() if isinstance(r, Reply) and reasons[c] is None}
        for client, reason in why_too_large(good, self.state).items():
            reasons[client] = reason
            del good[client]
        self.method_state = self.method.absorb_probes(view, good)
        for client in self.method.to_probe(self.view()):
            warnings.warn(
                f"Client {client!r} could not be probed and will not be chosen: {reasons[client]}.",
                NoUpdateWarning,
                stacklevel=_USER,
            )

    def _take_updates(self, answers: Replies, aggregate: Aggregate) -> None:
        view = self.view()
        good: dict[str, Reply] = {}
        for client, answer in answers.items():
            if self._strikes("straggler", self.method.straggler_rate, client):
                self._fate[client] = "late"
                continue
            reason = self._why_refuse(view, client, answer)
            if reason is None and isinstance(answer, Reply):
                self._fate[client] = "aggregated"
                good[client] = answer
            else:
                what = "failed" if isinstance(answer, Failure) else "refused"
                self._fate[client] = f"{what}: {reason}"
        for client, reason in why_too_large(good, self.state).items():
            self._fate[client] = f"refused: {reason}"
            del good[client]
        state, kept = self.state, self.method_state
        if good:
            self._tell_refusals()
            method = self.method
            updates = [(_weight(r), r.arrays["model"]) for r in good.values()]
            state = aggregate(
                self.state, updates, method.aggregation, method.trim, method.clip_norm
            )
            kept = self.method.absorb(view, good)
        else:
            fates = {client: self._fate[client] for client in self.plans[-1]}
            warnings.warn(
                f"No update in round {self.round + 1}, the global model stays as it was: {fates}.",
                NoUpdateWarning,
                stacklevel=_USER,
            )
        done, every = self.round + 1, self.method.evaluate_every
        due = every and (done % every == 0 or done >= self._until)
        # in one step: an interrupt leaves the round before or this one, whole
        self.__dict__.update(
            state=state,
            method_state=kept,
            round=done,
            selection=[*self.selection, *self._fates()],
            phase="evaluate" if due else "train",
            _row=self._row | self._trained(good),
            _early_bytes=[0, 0],
        )

    def _why_refuse(self, view: RoundView, client: str, answer: Reply | Failure) -> str | None:
        if isinstance(answer, Failure):
            return answer.reason
        order = self._sent[client]
        try:
            asked: Any = order.config["modalities"]
            used: Any = answer.config.get("modalities", [])
            own = [key for name in used for key in self.blocks.get(name, [])]
            due = [*self.blocks[SHARED], *own]
            weight = self.weights.get(client, float("inf"))
            return why_refuse(
                answer, self.state, due, asked, weight, self.method.groups
            ) or self.method.why_refuse(replace(view, client=client), answer, order)
        except Exception as error:  # whatever a client sends must not end the others' work
            return f"malformed reply ({type(error).__name__}: {error})"

    def _tell_refusals(self) -> None:
        """Warn of clients whose reply was refused, of each once."""
        refused = {c: fate for c, fate in self._fate.items() if fate.startswith("refused")}
        new = {client: fate for client, fate in refused.items() if client not in self._told}
        self._told |= set(new)
        if new:
            warnings.warn(
                f"Replies in round {self.round + 1} could not be used; later ones of the same "
                f"clients stand in `history_` alone: {new}.",
                NoUpdateWarning,
                stacklevel=_USER + 1,
            )

    def _trained(self, good: Mapping[str, Reply]) -> dict[str, Any]:
        """What a round's record says of the training."""
        trained = {c: list(r.config["modalities"]) for c, r in good.items()}  # type: ignore[arg-type]
        total = sum(_weight(reply) for reply in good.values())
        losses = [_weight(r) * float(r.config.get("loss", np.nan)) for r in good.values()]  # type: ignore[arg-type]
        return {
            "clients": list(good),
            "modalities": trained,
            "skipped": {c: fate for c, fate in self._fate.items() if fate != "aggregated"},
            "train_loss": sum(losses) / total if total else float("nan"),
        }

    def _fates(self) -> list[dict[str, Any]]:
        """What became of every client that was planned for the round."""
        return [
            {
                "round": self.round + 1,
                "client": client,
                "modalities": list(names),
                "outcome": self._fate[client],
            }
            for client, names in self.plans[-1].items()
        ]

    def _close_round(self) -> None:
        row = self._row
        if self.holdout is not None:
            row = row | self._holdout_accuracies(self.holdout)
        row = row | {"seconds": time.perf_counter() - self._started}
        self.__dict__.update(history=[*self.history, row], _row={}, phase="train")

    def _holdout_accuracies(self, rows: networks.ModalityRows) -> dict[str, float]:
        cpu = torch.device("cpu")
        total, own = correct_rows(self.module(), restrict(rows, self.task.names, cpu), cpu)
        figures = {f"{name}__valid_accuracy": ratio(*pair) for name, pair in own.items()}
        return {"valid_accuracy": ratio(*total), **figures}

    def module(self) -> networks.MultimodalModule:
        """Make the network with the global weights."""
        with networks.learning(), networks.Draws(self.seed).of_everything():
            module = self.method.build(self.task)
            load_arrays(module, self.state)
        return module


def _weight(reply: Reply) -> float:
    return float(reply.config["n"])  # type: ignore[arg-type]


def _rate_of(rate: Any, parameter: str, number: int, client: str) -> float:
    """The answer of a callable that a user gave, or an error that names the parameter."""
    place = f"`{parameter}`, called with round {number} and a client,"
    try:
        found = rate(number, client)
    except TypeError as error:  # most likely it takes something else
        raise TypeError(
            f"{place} failed: {error}. It must take the number of a round and a client, and return "
            "a probability or a bool."
        ) from error
    except Exception as error:  # what somebody's own code raises is theirs
        error.add_note(f"({place.rstrip(',')})")
        raise
    if not isinstance(found, Real | np.bool_) or not 0 <= float(found) <= 1:
        raise ValueError(f"{place} returned {found!r}. It must return a probability or a bool.")
    return float(found)
