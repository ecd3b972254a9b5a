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
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..exceptions import NoUpdateWarning
from ..neural import parts
from ._aggregation import SHARED, State, split_by_modality, weighted_means, why_refuse
from ._local import correct_rows, restrict
from ._messages import Config, Failure, Order, Reply, n_bytes
from ._method import Method
from ._task import Task, arrays_of, load_arrays, seeded

Replies = Mapping[str, Reply | Failure]

#: Independent streams of random numbers: one more draw in one of them changes no other.
_STREAMS = {"plan": 1, "train": 2, "dropout": 3, "straggler": 4, "probe": 5, "describe": 6}


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
        holdout: parts.ModalityRows | None = None,
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
        with seeded(seed):
            module = method.build(task)
        self.state: State = arrays_of(module.state_dict())
        self.parameter_keys = [key for key, _ in module.named_parameters()]
        self.blocks = split_by_modality(self.state, task.names)
        self.known: list[str] = []
        self.clients: list[str] = []
        self.method_state = method.start(self)
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
        if self.phase == "evaluate":  # the weights are there, only the figures are not
            self._close_round()
        self.plans = self.plans[: self.round]

    def note(self, **values: Any) -> None:
        """Add values of the method's own to the record of this round."""
        self._row |= values

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
            self._sent = {client: self._probe(client) for client in self._unprobed()}
        elif self.phase == "train":
            self._sent = self._training_orders()
        elif self.phase == "evaluate":
            order = Order("evaluate", {"model": self.state})
            self._sent = dict.fromkeys(self.clients, order)
        else:
            self._sent = {}
        return dict(self._sent)

    def _unprobed(self) -> list[str]:
        return [client for client in self.clients if client not in self.method_state.probed]

    def _probe(self, client: str) -> Order:
        lr = getattr(self.method, "probe_lr", None)
        lr = self.method.lr if lr is None else lr
        config = self._training_config("probe", client, self.held[client], 0, lr, 1)
        return Order("probe", {"model": self.state}, config)

    def _training_orders(self) -> dict[str, Order]:
        self._started = time.perf_counter()
        lr, epochs = self.method.rate(self.round), self.method.local_epochs
        self._row = {"round": self.round + 1, "lr": lr}
        plan = self.method.plan(self)
        self.plans.append({client: list(names) for client, names in plan.items()})
        self._fate: dict[str, str] = {}
        orders = {}
        for client, names in plan.items():
            if self._strikes("dropout", self.method.dropout_rate, client):
                self._fate[client] = "dropped"
                continue
            config = self._training_config("train", client, names, self.round, lr, epochs)
            orders[client] = Order(
                "train", {"model": self.state, **self.method.enclose(self, client)}, config
            )
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
            rate = rate(self.round + 1, client)
        if not rate:
            return False
        return bool(self.rng(stream, self.round, self.position(client)).random() < float(rate))

    # -- replies ---------------------------------------------------------------------------

    def receive(self, replies: Replies) -> None:
        """Take in the answers to the last orders, and move on."""
        answers = {c: replies.get(c, Failure("no reply")) for c in self._sent}
        down = sum(n_bytes(order) for order in self._sent.values())
        up = sum(n_bytes(answer) for answer in answers.values())
        if self.phase == "describe":
            self._count_early(down, up)
            self._take_descriptions(answers)
            self.phase = "probe" if self.method.probes and self._unprobed() else "train"
        elif self.phase == "probe":
            self._count_early(down, up)
            self._take_probes(answers)
            self.phase = "train"
        elif self.phase == "train":
            self._row |= {
                "bytes_down": down + self._early_bytes[0],
                "bytes_up": up + self._early_bytes[1],
            }
            self._early_bytes = [0, 0]
            self._take_updates(answers)
            self.round += 1
            every = self.method.evaluate_every
            due = every and (self.round % every == 0 or self.round >= self._until)
            if due:
                self.phase = "evaluate"
            else:
                self._close_round()
        elif self.phase == "evaluate":
            self._row["bytes_evaluation"] = down + up
            self._take_accuracies(answers)
            self._close_round()
        if self.phase == "train" and self.round >= self._until:
            self.phase = "finished"

    def _count_early(self, down: int, up: int) -> None:
        self._early_bytes = [self._early_bytes[0] + down, self._early_bytes[1] + up]

    def _take_descriptions(self, answers: Replies) -> None:
        for client, answer in answers.items():
            reason = _why_not_described(answer, self.task)
            if reason is not None:
                self.absent[client] = reason
                warnings.warn(
                    f"Client {client!r} takes no part: {reason}.", NoUpdateWarning, stacklevel=6
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
        good = {}
        for client, answer in answers.items():
            reason = self._why_refuse(client, answer)
            if reason is None:
                good[client] = answer
        self.method.absorb_probes(self, good)  # type: ignore[arg-type]

    def _take_updates(self, answers: Replies) -> None:
        good: dict[str, Reply] = {}
        for client, answer in answers.items():
            if self._strikes("straggler", self.method.straggler_rate, client):
                self._fate[client] = "late"
                continue
            reason = self._why_refuse(client, answer)
            if reason is None and isinstance(answer, Reply):
                self._fate[client] = "aggregated"
                good[client] = answer
            else:
                what = "failed" if isinstance(answer, Failure) else "refused"
                self._fate[client] = f"{what}: {reason}"
        if good:
            updates = [(_weight(r), r.arrays["model"]) for r in good.values()]
            before, self.state = self.state, weighted_means(self.state, updates)
            self.received = before
            self.method.absorb(self, good)
        else:
            fates = {client: self._fate[client] for client in self.plans[-1]}
            warnings.warn(
                f"No update in round {self.round + 1}, the global model stays as it was: {fates}.",
                NoUpdateWarning,
                stacklevel=6,
            )
        self._log_training(good)

    def _why_refuse(self, client: str, answer: Reply | Failure) -> str | None:
        if isinstance(answer, Failure):
            return answer.reason
        order = self._sent[client]
        try:
            asked: Any = order.config["modalities"]
            used: Any = answer.config.get("modalities", [])
            own = [key for name in used for key in self.blocks.get(name, [])]
            due = [*self.blocks[SHARED], *own]
            return why_refuse(answer, self.state, due, asked) or self.method.why_refuse(
                self, answer, order
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return f"malformed reply ({type(error).__name__}: {error})"

    def _log_training(self, good: Mapping[str, Reply]) -> None:
        trained = {c: list(r.config["modalities"]) for c, r in good.items()}  # type: ignore[arg-type]
        total = sum(_weight(reply) for reply in good.values())
        losses = [_weight(r) * float(r.config.get("loss", np.nan)) for r in good.values()]  # type: ignore[arg-type]
        self._row |= {
            "clients": list(good),
            "modalities": trained,
            "skipped": {c: fate for c, fate in self._fate.items() if fate != "aggregated"},
            "train_loss": sum(losses) / total if total else float("nan"),
        }
        for client, names in self.plans[-1].items():
            record = {"round": self.round + 1, "client": client, "modalities": list(names)}
            self.selection.append(record | {"outcome": self._fate[client]})

    def _take_accuracies(self, answers: Replies) -> None:
        right = total = 0.0
        by_client: dict[str, float] = {}
        own = {name: [0.0, 0.0] for name in self.task.names}
        for client, answer in answers.items():
            if _why_not_measured(answer, self.task) is not None:
                continue  # what a client says of itself is a figure in a table, no more
            found: Any = answer.config  # type: ignore[union-attr]
            right, total = right + found["correct"], total + found["n"]
            by_client[client] = found["correct"] / found["n"]
            for name, hits, n in zip(
                found["modalities"], found["own_correct"], found["own_n"], strict=True
            ):
                own[name][0] += hits
                own[name][1] += n
        self._row["accuracy"] = right / total if total else float("nan")
        for name, (hits, n) in own.items():
            self._row[f"{name}__accuracy"] = hits / n if n else float("nan")
        self._row["client_accuracy"] = by_client

    def _close_round(self) -> None:
        if self.holdout is not None:
            self._row |= self._holdout_accuracies(self.holdout)
        self._row["seconds"] = time.perf_counter() - self._started
        self.history.append(self._row)
        self._row = {}
        self.phase = "train"

    def _holdout_accuracies(self, rows: parts.ModalityRows) -> dict[str, float]:
        cpu = torch.device("cpu")
        total, own = correct_rows(self.module(), restrict(rows, self.task.names, cpu), cpu)
        figures = {f"{name}__valid_accuracy": _ratio(pair) for name, pair in own.items()}
        return {"valid_accuracy": _ratio(total), **figures}

    def module(self) -> parts.MultimodalModule:
        """Make the network with the global weights."""
        with seeded(self.seed):
            module = self.method.build(self.task)
        load_arrays(module, self.state)
        return module


def _weight(reply: Reply) -> float:
    return float(reply.config["n"])  # type: ignore[arg-type]


def _ratio(pair: tuple[float, float]) -> float:
    return pair[0] / pair[1] if pair[1] else float("nan")


def _why_not_described(answer: Reply | Failure, task: Task) -> str | None:
    if isinstance(answer, Failure):
        return answer.reason
    n, names = answer.config.get("n"), answer.config.get("modalities")
    if not isinstance(n, int | float) or not 0 < n < float("inf"):
        return f"weight n is {n!r}, not a positive number"
    if not isinstance(names, list) or not names or not set(names) <= set(task.names):
        return f"has modalities {names!r}, expected some of {task.names}"
    return None


def _why_not_measured(answer: Reply | Failure, task: Task) -> str | None:
    """Say why an answer to an evaluate order cannot be counted; None if it can."""
    if isinstance(answer, Failure):
        return answer.reason
    about = answer.config
    names, hits, totals = (about.get(k) for k in ("modalities", "own_correct", "own_n"))
    if not all(isinstance(part, list) for part in (names, hits, totals)):
        return "no figures of single modalities"
    if not len(names) == len(hits) == len(totals) or not set(names) <= set(task.names):  # type: ignore[arg-type]
        return f"figures of modalities {names!r}, expected some of {task.names}"
    pairs = [(about.get("correct"), about.get("n")), *zip(hits, totals, strict=True)]  # type: ignore[arg-type]
    for correct, n in pairs:
        if not (isinstance(correct, int | float) and isinstance(n, int | float)):
            return f"{correct!r} of {n!r} rows is no count"
        if not 0 <= correct <= n * (1 + 1e-9) < float("inf"):  # NaN fails this as well
            return f"{correct!r} of {n!r} rows is no count"
    return None if about["n"] else "no rows"
