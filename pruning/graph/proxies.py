"""What forward is given while it is traced: tensors and numbers that are nodes of a graph and know their values.

An operation on them is one more node. Only what Python itself decides on one (a branch, an index, a length) is answered
with its value, by `Tracer.decide`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, fx
from torch.fx.proxy import Attribute

from pruning.graph.in_place import IN_PLACE


class ValueProxy(fx.Proxy):
    """A number, a size, several tensors: whatever is no tensor."""

    _is_param = False  # nn.Parameter asks whatever says that it is a tensor

    @property
    def value(self) -> Any:
        """What the node gives for the images of the trace; tensors are without numbers."""
        return self.tracer.values[self.node]  # type: ignore[attr-defined]

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # type: ignore[override]
        """isinstance(x, Tensor) and its like are answered as they would be when the network runs."""
        return type(self.value)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.value, name)  # raises AttributeError as the value itself does
        if callable(value):
            return Attribute(self, name)
        if isinstance(value, str):  # device.type: torch's C code takes no proxy for one
            return self.tracer.create_proxy("call_function", getattr, (self, name), {}).decide(str)
        return self.tracer.create_proxy("call_function", getattr, (self, name), {})

    def decide(self, convert: Callable[[Any], Any]) -> Any:
        return self.tracer.decide(self, convert)  # type: ignore[attr-defined]

    def __bool__(self) -> bool:
        return bool(self.decide(bool))

    def __int__(self) -> int:
        return int(self.decide(int))

    def __float__(self) -> float:
        return float(self.decide(float))

    def __index__(self) -> int:
        return int(self.decide(operator.index))

    def __round__(self, digits: int | None = None) -> Any:
        arguments = (self,) if digits is None else (self, digits)
        return self.tracer.create_proxy("call_function", round, arguments, {})

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    __iter__ = None  # type: ignore[assignment]  # a number that could be iterated over would pass for a pair


class SequenceProxy(ValueProxy):
    """Several values at once: a size, or the pieces of a tensor."""

    def __len__(self) -> int:
        return int(self.tracer.count(self))  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[fx.Proxy]:  # type: ignore[override]
        return iter([self[i] for i in range(len(self))])  # type: ignore[index]


class TensorProxy(SequenceProxy):
    """A tensor. torch.fx by itself records `x += y` as a sum: other readers of x would see the old one."""

    def __setitem__(self, index: object, value: object) -> None:
        raise TypeError("a part of a tensor is assigned to: make the whole with torch.cat or torch.where instead")


def _record_in_place(name: str) -> None:
    def record(self: fx.Proxy, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", getattr(operator, name), (self, other), {})

    setattr(TensorProxy, f"__{name}__", record)


for _name in IN_PLACE:
    _record_in_place(_name)


def make_proxy(node: fx.Node, tracer: fx.Tracer, value: object) -> fx.Proxy:
    if isinstance(value, Tensor):
        return TensorProxy(node, tracer)
    return (SequenceProxy if isinstance(value, (tuple, list)) else ValueProxy)(node, tracer)
