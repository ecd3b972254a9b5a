"""`ClientTrainer`: one client, from an order to its reply."""

from __future__ import annotations

import copy
from typing import Any

from .. import networks
from ._aggregation import SHARED, split_by_modality
from ._local import Local
from ._measuring import correct_rows, counts_of
from ._messages import Memory, Order, Reply
from ._method import Method
from ._refusal import why_not_carry_out
from ._rows import restrict, total_weight
from ._state_dicts import arrays_of, load_arrays
from ._task import Task
from ._training import train


class ClientTrainer:
    """What runs where the data are.

    Parameters
    ----------
    method : Method
        The algorithm.
    task : Task
        Modalities, classes and precision.
    rows : ModalityRows
        The client's own rows, from ``task.read(X, y)``.
    device : str or torch.device, default="cpu"
        Where to train.
    """

    def __init__(
        self, method: Method, task: Task, rows: networks.ModalityRows, device: Any = "cpu"
    ):
        self.method = method
        self.task = task
        self.device = networks.choose_device(device)
        self.rows = rows
        self._pattern: Any = None

    def modalities(self) -> list[str]:
        """Modalities of which at least one row has something."""
        present = self.rows.present
        return [n for n in self.task.names if present is None or bool(present[n].any())]

    def weight(self) -> float:
        """Sum of the weights of the rows: n_k."""
        return total_weight(self.rows)

    def local(self, order: Order, module: Any, memory: Memory | None = None) -> Local:
        """Lay out the work on an order to train `module`, as the hooks of the method see it."""
        asked: Any = order.config["modalities"]
        used = [name for name in self.modalities() if name in asked]
        if not used:
            raise ValueError(f"this client has none of the modalities {asked}")
        return Local(
            module=module,
            rows=restrict(self.rows, used, self.device),
            whole=self.rows,
            used=used,
            held=self.modalities(),
            order=order,
            memory=memory or {},
            device=self.device,
            classes=len(self.task.classes),
        )

    def handle(self, order: Order, memory: Memory | None = None) -> tuple[Reply, Memory]:
        """Carry out an order.

        Parameters
        ----------
        order : Order
            What the server asks.
        memory : dict of str to dict of str to ndarray, default=None
            What this client kept from earlier orders; left unchanged.

        Returns
        -------
        reply : Reply
            What goes to the server.
        memory : dict of str to dict of str to ndarray
            What to keep until the next order; it never leaves the client.
        """
        memory = dict(memory or {})
        if order.kind == "describe":
            about: Any = {"n": self.weight(), "modalities": self.modalities()}
            return Reply(config=about), memory
        reason = why_not_carry_out(order)
        if reason is not None:
            raise ValueError(f"the order cannot be carried out: {reason}")
        with networks.learning():
            return self._handle(order, memory)

    def _handle(self, order: Order, memory: Memory) -> tuple[Reply, Memory]:
        seed: Any = order.config.get("seed", 0)
        draws = networks.Draws(int(seed))
        module = self._module(draws)
        load_arrays(module, order.arrays["model"])
        module.to(self.device)
        with draws.of_everything() if networks.may_draw(module) else draws.of_ours():
            if order.kind == "evaluate":
                return self._evaluate(module), memory
            if order.kind in ("train", "probe"):
                return self._train(module, order, memory)
        raise ValueError(
            f"`kind` of an order must be one of describe, probe, train, evaluate; got "
            f"{order.kind!r}."
        )

    def _module(self, draws: networks.Draws) -> Any:
        """A network whose weights will be overwritten."""
        if self._pattern is None:
            with networks.Draws(0).of_everything():
                self._pattern = self.method.build(self.task)
        if networks.has_dropout(self._pattern) or networks.may_draw(self._pattern):
            with draws.of_everything():  # what it draws goes on from where its weights end
                return self.method.build(self.task)
        ours = not networks.not_ours(self.method.backbones, self.task.names)
        if ours and networks.has_plain_state(self._pattern):
            return self._pattern  # it remembers nothing but what is overwritten
        return copy.deepcopy(self._pattern)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pattern": None}

    def _evaluate(self, module: Any) -> Reply:
        rows = restrict(self.rows, self.modalities(), self.device)
        return Reply(config=counts_of(*correct_rows(module, rows, self.device)))

    def _train(self, module: Any, order: Order, memory: Memory) -> tuple[Reply, Memory]:
        local = self.local(order, module, memory)
        loss = train(self.method, local)
        arrays, config = self.method.report(local)
        blocks = split_by_modality(module.state_dict(), self.task.names)
        sent = {*blocks[SHARED], *(key for name in local.used for key in blocks[name])}
        # in the order in which they came: Flower's clipping compares by position
        state = {key: value for key, value in module.state_dict().items() if key in sent}
        arrays["model"] = arrays_of(state)
        n: Any = local.n
        return Reply(
            arrays, {"n": n, "modalities": list(local.used), "loss": loss, **config}
        ), local.memory
