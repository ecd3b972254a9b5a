"""A net whose parameters may come and go while it is trained: the optimiser follows."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from skorch import NeuralNet
from skorch.history import History

from ._training import start_momentum


class FollowingNet(NeuralNet):
    """skorch's net, with an optimiser that holds the parameters at hand, no more and no fewer.

    A fusion that gains or loses parameters counts in its `generation` how often it did.
    """

    network: Any

    def get_all_learnable_params(self) -> Iterator[tuple[str, Any]]:
        """All parameters but those of modules that a balancing method keeps for itself."""
        for name, parameter in super().get_all_learnable_params():
            if not name.startswith(("running.", "_orig_mod.running.")):
                yield name, parameter

    def initialize_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        """Make the optimiser, and see whether its step needs a closure (as LBFGS's does)."""
        super().initialize_optimizer(*args, **kwargs)
        closure = inspect.signature(type(self.optimizer_).step).parameters.get("closure")
        self.needs_closure_ = closure is not None and closure.default is inspect.Parameter.empty
        start_momentum(self.optimizer_)
        self._grows = hasattr(self._fusion(), "generation")
        self._synced_generation = self._generation()
        return self

    def _fusion(self) -> Any:
        return getattr(self.network, "fusion", None)

    def _generation(self) -> int:
        return self._fusion().generation if self._grows else 0

    def sync_optimizer(self) -> None:
        """Make the optimiser hold the parameters at hand, no more and no fewer.

        Groups are changed in place: a new group would break schedulers that keep one entry a
        group (LambdaLR, OneCycleLR).
        """
        generation = self._generation()
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
            self.sync_optimizer()
        rest = {key: value for key, value in files.items() if value}
        if rest:
            super().load_params(use_safetensors=use_safetensors, **rest)
