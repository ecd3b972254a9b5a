"""A step of a stack as a plain list of tensor operations, once it is known that it is one.

`vmap` and autograd take longer to find out what is to be done in a step than small networks take to
do it, and find the same every time. So the operations of one of the first steps are written down,
gradients included, and only carried out from then on.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

from ._one_of_many import OneOfMany

#: Steps of one form that are carried out in the ordinary way before one is written down, which
#: takes as long as some of them.
FIRST_STEPS = 4

#: Modules that do the same in every step come from here.
KNOWN = ("torch.nn.", "sk_mmbalance.")


def can_be_captured(one: OneOfMany) -> bool:
    """Whether every step of a stack does the same, with other numbers.

    Known of networks and losses from torch and from this package that are trained without a method.
    """
    return not one.methods and knows(one.network, one.criterion_)


def knows(*modules: nn.Module) -> bool:
    """Whether modules are from torch and from this package alone, parts and all."""
    parts = [part for module in modules for part in module.modules()]
    return all(type(part).__module__.startswith(KNOWN) for part in parts)


class CapturedSteps:
    """Carries steps out, and writes down those that come often.

    Parameters
    ----------
    step : callable
        Takes a tree of tensors, gives tensors or None. What it does may depend on their shapes
        alone, and it may not change them.
    """

    def __init__(self, step: Callable[[Any], Sequence[Tensor | None]]):
        self._step = step
        self._seen: dict[Any, int] = {}
        self._written: dict[Any, Any] = {}

    def __call__(self, given: Any) -> Sequence[Tensor | None]:
        """Carry out a step."""
        tensors, form = tree_flatten(given)
        key = (form, tuple((t.shape, t.dtype, t.stride()) for t in tensors))
        if key in self._written:
            with torch.no_grad():
                return self._written[key](*tensors)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] <= FIRST_STEPS:
            return self._step(given)
        with _Writing(tensors) as writing:
            found = self._step(given)
        self._written[key] = writing.result(found)
        return found


class _Writing(TorchDispatchMode):
    """Writes down what is done to tensors in this thread, in the order in which it is done."""

    def __init__(self, tensors: Sequence[Tensor]):
        super().__init__()
        self._graph, self._constants = Graph(), nn.Module()
        self._nodes: dict[int, Node] = {}
        self._kept: list[Any] = []  # so that no other tensor gets the identity of one
        self._scalars: dict[Hashable, Tensor] = {}
        self._changes_nothing = True
        for k, tensor in enumerate(tensors):
            self._note(tensor, self._graph.placeholder(f"given_{k}"))

    def _note(self, tensor: Tensor, node: Node) -> None:
        self._kept.append(tensor)
        self._nodes[id(tensor)] = node

    def _node_of(self, tensor: Tensor) -> Node:
        if id(tensor) not in self._nodes:
            name = f"constant_{len(self._kept)}"
            self._constants.register_buffer(name, tensor)
            self._note(tensor, self._graph.get_attr(name))
        return self._nodes[id(tensor)]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self._changes_nothing &= not func._schema.is_mutable
        if func is torch.ops.aten.scalar_tensor.default:  # a constant when somebody asks for it
            known = self._scalars.setdefault((type(args[0]), args[0], out.dtype), out)
            self._note(out, self._node_of(known))
            return out
        if not func._schema.is_mutable and _is_itself(args, out):
            self._note(out, self._node_of(args[0]))
            return out
        own = tree_map_only(Tensor, self._node_of, (args, kwargs or {}))
        node = self._graph.call_function(func, *own)
        if func is torch.ops.aten.mul.Scalar and args[1] == 1 and out.dtype == args[0].dtype:
            node.meta["by_one"] = True
        if isinstance(out, Tensor):
            self._note(out, node)
        else:
            for k, part in enumerate(out):
                self._note(part, self._graph.call_function(operator.getitem, (node, k)))
        return out

    def result(self, found: Sequence[Tensor | None]) -> Any:
        """A function of the tensors, which does it again."""
        self._graph.output(tree_map_only(Tensor, self._node_of, tuple(found)))
        if self._changes_nothing:
            _say_nothing_twice(self._graph)
        self._graph.eliminate_dead_code()
        return GraphModule(self._constants, self._graph)


def _is_itself(args: Any, out: Any) -> bool:
    """Whether an operation gave back its first argument: the same numbers at the same place."""
    return (
        isinstance(out, Tensor)
        and len(args) > 0
        and isinstance(args[0], Tensor)
        and out.data_ptr() == args[0].data_ptr()
        and out.dtype == args[0].dtype
        and out.shape == args[0].shape
        and out.stride() == args[0].stride()
    )


def _say_nothing_twice(graph: Graph) -> None:
    """Leave out what was computed before, and products with 1; nothing may change a tensor."""
    known: dict[Any, Node] = {}
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if "by_one" in node.meta:
            same = node.args[0]
        elif torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            continue
        else:
            leaves, form = tree_flatten((node.args, node.kwargs))
            key = (node.target, form, tuple((type(leaf), leaf) for leaf in leaves))
            same = known.setdefault(key, node)
        if same is not node:
            node.replace_all_uses_with(same)
            graph.erase_node(node)
