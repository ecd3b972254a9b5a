"""Random numbers of a training's own, so that fits may run side by side in threads.

torch's layers draw from one generator of the process. Seeding that and putting it back would do
for one fit at a time; two fits in threads would draw from each other's numbers. Here every training
has generators of its own, and what is drawn is drawn from them, in one of two ways:

- `Dropout`, the only module of this package that draws in a step, asks for the generator of its
  thread, which costs nothing;
- where something else may draw (weights of new layers, modules and callbacks of the user), a
  dispatch mode hands the generator to every operator of torch that draws. A mode is seen by its own
  thread alone, and costs some microseconds an operator.

On the CPU both give the numbers that torch gives after ``torch.manual_seed`` of the same seed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

_HERE = threading.local()
#: For what can draw from torch's own generators only: one at a time, and they are put back.
_ONE_AT_A_TIME = threading.RLock()
_DRAWS = torch.Tag.nondeterministic_seeded
#: Arguments with which an operator says how much it drops; at 0 it draws nothing.
_SHARES = ("dropout_p", "dropout")


class Draws:
    """Generators of one training, one a device, all of one seed.

    Parameters
    ----------
    seed : int
        The seed.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}
        #: torch's own, while they stand in for one of these
        self._lent_to: dict[torch.device, torch.Generator] = {}

    def state(self) -> dict[str, Tensor]:
        """Where every generator stands, by its device."""
        return {
            str(device): self._lent_to.get(device, generator).get_state()
            for device, generator in self._generators.items()
        }

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from where the generators stood."""
        for name, value in state.items():
            generator = self.generator(torch.device(name))
            self._lent_to.get(torch.device(name), generator).set_state(value)

    def generator(self, device: torch.device) -> torch.Generator:
        """Return the generator of a device."""
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self._generators[device]

    @contextmanager
    def of_everything(self) -> Iterator[None]:
        """Whatever torch draws in this thread is drawn here."""
        with self.of_ours(), _Handing(self):
            yield

    @contextmanager
    def of_ours(self) -> Iterator[None]:
        """What modules of this package draw in this thread is drawn here."""
        before = getattr(_HERE, "draws", None)
        try:
            _HERE.draws = self
            yield
        finally:
            _HERE.draws = before

    @contextmanager
    def of_torch(self, device: torch.device) -> Iterator[None]:
        """Everything is drawn here by way of torch's own generators; others wait for their turn.

        For compiled code, which knows no others.
        """
        with _ONE_AT_A_TIME, self._lent(torch.device("cpu")):
            if device.type == "cpu":
                yield
            else:
                with self._lent(device):
                    yield

    @contextmanager
    def _lent(self, device: torch.device) -> Iterator[None]:
        own, torchs = self.generator(device), _generator_of_torch(device)
        kept = torchs.get_state()
        try:
            torchs.set_state(own.get_state())
            self._lent_to[own.device] = torchs
            yield
        finally:
            self._lent_to.pop(own.device, None)
            own.set_state(torchs.get_state())
            torchs.set_state(kept)


def _generator_of_torch(device: torch.device) -> torch.Generator:
    if device.type == "cpu":
        return torch.default_generator
    index = torch.cuda.current_device() if device.index is None else device.index
    return torch.cuda.default_generators[index]


@contextmanager
def learning() -> Iterator[None]:
    """Gradients are kept, even where the caller works without them."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def aside() -> Iterator[None]:
    """What is drawn inside changes nothing that is drawn afterwards."""
    draws = getattr(_HERE, "draws", None)
    if draws is None:
        yield
        return
    generator = draws.generator(torch.device("cpu"))
    kept = generator.get_state()
    try:
        yield
    finally:
        generator.set_state(kept)


class Dropout(nn.Dropout):
    """torch's dropout, drawn from the generator of the training in this thread."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop values, and scale up the rest."""
        if torch.compiler.is_compiling() or not (self.training and 0 < self.p < 1):
            return super().forward(input)
        draws = getattr(_HERE, "draws", None)
        if draws is None:
            return super().forward(input)
        keep = torch.empty_like(input).bernoulli_(
            1 - self.p, generator=draws.generator(input.device)
        )
        return input * keep.div_(1 - self.p)


class _Handing(TorchDispatchMode):
    """Hands a generator to every operator that draws and was given none."""

    def __init__(self, draws: Draws):
        super().__init__()
        self.draws = draws

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if _DRAWS not in func.tags:
            return func(*args, **kwargs)
        given = {**dict(zip(_argument_names(func), args, strict=False)), **kwargs}
        device = _device_of(args, kwargs)
        named = given.get("generator") is not None
        if named or device.type == "meta" or _drops_nothing(func, given):
            return func(*args, **kwargs)
        drawing = _taking_a_generator(func)
        if drawing is not None:
            return _call(drawing, {**given, "generator": self.draws.generator(device)})
        with self:  # one that is made of others, which draw
            made = func.decompose(*args, **kwargs)
        if made is not NotImplemented:
            return made
        with _ONE_AT_A_TIME, self.draws._lent(device):
            return func(*args, **kwargs)


@cache
def _taking_a_generator(func: Any) -> Any:
    """An operator itself, or its form with a generator; None if there is none."""
    names = _argument_names(func)
    if "generator" in names:
        return func
    packet = func.overloadpacket
    for overload in packet.overloads():
        other = getattr(packet, overload)
        theirs = _argument_names(other)
        if "generator" in theirs and [name for name in theirs if name != "generator"] == names:
            return other
    return None


@cache
def _argument_names(func: Any) -> list[str]:
    return [argument.name for argument in func._schema.arguments]


def _call(func: Any, given: dict[str, Any]) -> Any:
    """Call an operator by the names of its arguments."""
    arguments = func._schema.arguments
    positional = [given.pop(a.name) for a in arguments if not a.kwarg_only and a.name in given]
    return func(*positional, **given)


def _drops_nothing(func: Any, given: dict[str, Any]) -> bool:
    shares = [share for share in _SHARES if share in _argument_names(func)]
    return bool(shares) and not any(given.get(share) for share in shares)


def _device_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.device:
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            return value.device
    device = kwargs.get("device")
    return torch.get_default_device() if device is None else torch.device(device)


def may_draw(module: nn.Module) -> bool:
    """Whether a module may draw otherwise than by `Dropout`: what is not known may."""
    return any(not _known_quiet(part) for part in module.modules())


def has_dropout(module: nn.Module) -> bool:
    """Whether any part drops values."""
    return any(isinstance(part, nn.Dropout) and part.p for part in module.modules())


def _known_quiet(part: nn.Module) -> bool:
    if part._forward_hooks or part._forward_pre_hooks:
        return False
    home = type(part).__module__
    if home.partition(".")[0] == __name__.partition(".")[0]:
        return True
    if not home.startswith("torch.nn.modules."):
        return False
    if home == "torch.nn.modules.dropout":
        return not part.p
    if isinstance(part, nn.MultiheadAttention | nn.RNNBase):
        return not part.dropout
    return not isinstance(part, nn.RReLU | nn.FractionalMaxPool2d | nn.FractionalMaxPool3d)
