"""What a feature map sees of the image: the receptive field of every endpoint, computed from the operations.

Every operation moves and widens the interval of pixels that a value depends on, separately for rows and columns; where
branches meet, their union counts. A window of k taps, dilated by d, at stride s and padding p turns the interval
[low, high] and the step between neighbours into [low - p step, high + ((k - 1) d - p) step] and s step.

What passes through a global pool or a fully connected layer depends on one interval at every position: squeeze-and-
excitation lets a pixel see the whole image, and the part of the field that moves with the position is stated apart.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn

from cnn_evolution.analysis.graph import Graph, Operation, trace
from cnn_evolution.analysis.primitives import POINTWISE, POOLS

Interval = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """The pixels that a feature map depends on, in rows and in columns; the image's first pixel is 0.

    Padding counts as part of the image, so intervals may reach beyond its border.

    Attributes:
      size: Pixels that a position depends on, apart from those of `fixed`; 0 where there are no positions.
      stride: Pixels between the fields of neighbouring positions.
      offset: Centre of the first position's field; 0 where there are no positions.
      fixed: First and last pixel that every position depends on, because a global pool or a fully connected layer
        comes before; None where there is none.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    offset: tuple[float, float]
    fixed: tuple[Interval, Interval] | None


@dataclasses.dataclass(frozen=True)
class Span:
    """The pixels behind a value along one side of the image.

    Attributes:
      axis: The value's axis that runs along this side; None if none does.
      low: First pixel behind the first position.
      high: Last pixel behind the first position.
      step: Pixels from one position to the next.
      fixed: The pixels behind every position.
    """

    axis: int | None
    low: int = 0
    high: int = 0
    step: int = 1
    fixed: Interval | None = None

    def at(self, axis: int) -> "Span":
        """The same along another axis, if there is any."""
        return self if self.axis is None else dataclasses.replace(self, axis=axis)

    def collapse(self, positions: int) -> "Span":
        """After all positions were mixed."""
        return Span(None, fixed=_hull(self.fixed, (self.low, self.high + (positions - 1) * self.step)))

    def window(self, size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> "Span":
        """After a window moved over the positions; `padding` is that before the first."""
        return dataclasses.replace(
            self,
            low=self.low - padding * self.step,
            high=self.high + ((size - 1) * dilation - padding) * self.step,
            step=self.step * stride,
        )


def receptive_fields(
    model: nn.Module, input_size: int | tuple[int, int], *, channels: int = 3, **call: Any
) -> dict[str, ReceptiveField]:
    """The receptive field of every endpoint, in the order in which endpoints are computed.

    Args:
      model: Any Linen module that stores maps in the collection "endpoints".
      input_size: H and W of the images in pixels; only what comes after a global pool depends on it.
      channels: Channels of the images.
      **call: Further keyword arguments of the module's call, for example `train=False`.

    Raises:
      TypeError: `model` is no Linen module.
      ValueError: The network cannot take such images, or does something whose receptive field is not known.
    """
    return fields(trace(model, input_size, channels=channels, **call))


def fields(graph: Graph) -> dict[str, ReceptiveField]:
    """The same of a traced network, for those endpoints that depend on the images.

    Raises:
      ValueError: The network does something whose receptive field is not known.
    """
    spans = {graph.image: (Span(1), Span(2))}
    for op in graph.operations:
        if any(value in spans for value in op.inputs):
            for value in op.outputs:
                spans[value] = (_follow(op, 0, spans, graph), _follow(op, 1, spans, graph))
    return {name: _field(spans[value]) for name, value in graph.endpoints.items() if value in spans}


def _field(spans: Sequence[Span]) -> ReceptiveField:
    rows, columns = spans
    fixed = None if rows.fixed is None or columns.fixed is None else (rows.fixed, columns.fixed)
    if rows.axis is None or columns.axis is None:
        return ReceptiveField((0, 0), (0, 0), (0, 0), fixed)
    return ReceptiveField(
        size=(rows.high - rows.low + 1, columns.high - columns.low + 1),
        stride=(rows.step, columns.step),
        offset=((rows.low + rows.high) / 2, (columns.low + columns.high) / 2),
        fixed=fixed,
    )


def _hull(a: Interval | None, b: Interval | None) -> Interval | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


def _join(op: Operation, spans: Sequence[Span]) -> Span:
    """The union of what several operands of one shape depend on."""
    fixed = functools.reduce(_hull, (span.fixed for span in spans), None)
    moving = [span for span in spans if span.axis is not None]
    if not moving:
        return Span(None, fixed=fixed)
    if len({(span.axis, span.step) for span in moving}) > 1:
        raise _unknown(op, "joins maps of different strides")
    low, high = min(span.low for span in moving), max(span.high for span in moving)
    return dataclasses.replace(moving[0], low=low, high=high, fixed=fixed)


def _unknown(op: Operation, why: str) -> ValueError:
    return ValueError(f"no receptive field: {op.primitive} in {op.path or 'the network'} {why}")


def _follow(op: Operation, side: int, spans: Mapping[int, tuple[Span, Span]], graph: Graph) -> Span:
    """The span of an operation's result along one side of the image, 0 for rows and 1 for columns."""
    name, params = op.primitive, op.params
    operands = [(spans[value][side], graph.shapes[value].shape) for value in op.inputs if value in spans]
    span, shape = operands[0]
    result = graph.shapes[op.outputs[0]].shape
    axis = span.axis
    if op.repeats > 1 and (name == "conv_general_dilated" or name in POOLS):
        raise _unknown(op, "widens it in a loop")
    if name == "conv_general_dilated":
        return _convolution(op, side, spans, graph)
    if name == "dot_general":
        return _product(op, side, spans, graph)
    if name == "concatenate":
        if axis == params["dimension"]:
            raise _unknown(op, "joins maps side by side")
        return _join(op, [span for span, _ in operands])
    if axis is None:
        return _join(op, [span for span, _ in operands])
    if name in POOLS:
        if params["base_dilation"][axis] != 1:
            raise _unknown(op, "has holes between its inputs")
        return span.window(
            params["window_dimensions"][axis],
            params["window_strides"][axis],
            params["padding"][axis][0],
            params["window_dilation"][axis],
        )
    if name == "transpose":
        return span.at(params["permutation"].index(axis))
    if name == "broadcast_in_dim":
        place = params["broadcast_dimensions"][axis]
        return span.at(place) if result[place] == shape[axis] else span.collapse(shape[axis])
    if name == "reshape":
        return _reshape(span, shape, result)
    if name in {"squeeze", "reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "argmax", "argmin"}:
        gone = params["dimensions" if name == "squeeze" else "axes"]
        return span.collapse(shape[axis]) if axis in gone else span.at(axis - sum(other < axis for other in gone))
    if name == "slice":
        start, stride = params["start_indices"][axis], (params["strides"] or (1,) * len(shape))[axis]
        return span.window(1, stride, -start)
    if name == "pad":
        before, _, between = params["padding_config"][axis]
        if between:
            raise _unknown(op, "puts holes between its inputs")
        return span.window(1, 1, before)
    if (name == "split" and params["axis"] == axis) or name in {"rev", "gather", "dynamic_slice", "scan_slice"}:
        raise _unknown(op, "moves positions")
    if name in POINTWISE or name == "split":
        return _join(op, [span for span, _ in operands])
    raise _unknown(op, "is not known")


def _convolution(op: Operation, side: int, spans: Mapping[int, tuple[Span, Span]], graph: Graph) -> Span:
    image, kernel = op.inputs
    params, numbers = op.params, op.params["dimension_numbers"]
    if kernel in spans:
        raise _unknown(op, "has a kernel that depends on the image")
    span = spans[image][side]
    if span.axis is None:
        return span
    if span.axis not in numbers.lhs_spec[2:]:
        raise _unknown(op, "mixes positions as if they were channels")
    i = numbers.lhs_spec[2:].index(span.axis)
    if params["lhs_dilation"][i] != 1:
        raise _unknown(op, "has holes between its inputs")
    taps = graph.shapes[kernel].shape[numbers.rhs_spec[2 + i]]
    moved = span.window(taps, params["window_strides"][i], params["padding"][i][0], params["rhs_dilation"][i])
    return moved.at(numbers.out_spec[2 + i])


def _product(op: Operation, side: int, spans: Mapping[int, tuple[Span, Span]], graph: Graph) -> Span:
    """Summed axes mix their positions; in the result come the shared axes, then the left's, then the right's."""
    summed, shared = op.params["dimension_numbers"]
    ranks = [len(graph.shapes[value].shape) for value in op.inputs]
    results = []
    for i, value in enumerate(op.inputs):
        if value not in spans:
            continue
        span = spans[value][side]
        if span.axis is None:
            results.append(span)
        elif span.axis in summed[i]:
            results.append(span.collapse(graph.shapes[value].shape[span.axis]))
        elif span.axis in shared[i]:
            results.append(span.at(shared[i].index(span.axis)))
        else:
            own = [axis for axis in range(ranks[i]) if axis not in (*summed[i], *shared[i])]
            others = ranks[0] - len(summed[0]) if i else len(shared[0])
            results.append(span.at(others + own.index(span.axis)))
    return _join(op, results)


def _reshape(span: Span, shape: tuple[int, ...], result: tuple[int, ...]) -> Span:
    """An axis that keeps its size and what lies before it is still there; another one is mixed."""
    assert span.axis is not None
    before, positions = math.prod(shape[: span.axis]), shape[span.axis]
    for axis, size in enumerate(result):
        if size == positions and math.prod(result[:axis]) == before:
            return span.at(axis)
    return span.collapse(positions)
