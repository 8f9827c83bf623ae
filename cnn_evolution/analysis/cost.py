"""What a network costs: parameters, multiply-accumulates and memory, layer by layer, from shapes alone.

The conventions:

- Multiply-accumulates (MACs) are those of convolutions and fully connected layers, padding included; biases,
  normalisation, activations, poolings and additions are not counted. A fully connected layer at every position of a
  map is a 1 x 1 convolution. Matrix products without parameters (attention, resizing) are counted apart.
- Activation memory is the memory of the values that must be stored: what point-wise operations pass on to one another
  never is, and a point-wise result takes the place of an operand that nothing reads any more. So a convolution, its
  normalisation, its ReLU and an addition to it cost its output once.
- Parameters are those on the way from the images to the output. What else a network holds, for example auxiliary
  classifiers, is listed as unused.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn

from cnn_evolution.analysis.graph import Graph, Operation, trace
from cnn_evolution.analysis.memory import stored_bytes
from cnn_evolution.analysis.primitives import POOLS, is_global_pool, is_pointwise


@dataclasses.dataclass(frozen=True)
class Layer:
    """One row of the bill.

    Attributes:
      name: The module's path; where the network itself asks for the operation, the endpoint that it makes.
      kind: "conv", "fc", "max pool", "avg pool", "global pool", "concat", "pointwise", "matmul" (of two computed
        values), "resize" (a product with a constant), or the name of an operation whose cost is not known.
      kernel: Size of the window in pixels, where there is one.
      stride: Its stride in pixels.
      output: Shape of what the layer makes.
      parameters: Trainable numbers; a parameter that several layers share is counted with the first.
      weight_bytes: Their memory.
      macs: Multiply-accumulates for the whole batch.
      bytes: Memory of what the layer makes; 0 where it takes its input's place.
    """

    name: str
    kind: str
    kernel: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    output: tuple[int, ...]
    parameters: int
    weight_bytes: int
    macs: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of a network, or of a part of it.

    Attributes:
      name: Of the network.
      input_shape: (N, H, W, C) of the images.
      layers: One row per layer, in the order in which the network asks for them.
      endpoints: For every named feature map, the rows that it depends on, as indices into `layers`; empty in a part.
      maps: The same for the first map of every height and width.
      unused: Parameters on no way from the images to the output: path and number.
      remarks: What could not be attributed: operations of unknown cost, loops that run an unknown number of times.
    """

    name: str
    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    endpoints: Mapping[str, frozenset[int]]
    maps: Mapping[tuple[int, int], frozenset[int]]
    unused: Mapping[str, int]
    remarks: tuple[str, ...]

    @property
    def params(self) -> int:
        """Trainable numbers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Their memory."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and fully connected layers."""
        return sum(layer.macs for layer in self.of_kind("conv", "fc"))

    @property
    def other_macs(self) -> int:
        """Multiply-accumulates of matrix products without parameters."""
        return sum(layer.macs for layer in self.layers) - self.macs

    @property
    def activation_bytes(self) -> int:
        """Memory of the outputs of convolutions."""
        return sum(layer.bytes for layer in self.of_kind("conv"))

    @property
    def all_activation_bytes(self) -> int:
        """Memory of every value that must be stored, without the images."""
        return sum(layer.bytes for layer in self.layers)

    def of_kind(self, *kinds: str) -> tuple[Layer, ...]:
        """The rows of some kinds."""
        return tuple(layer for layer in self.layers if layer.kind in kinds)

    def up_to_endpoint(self, endpoint: str) -> "Cost":
        """The cost of everything that a named feature map depends on.

        Raises:
          ValueError: There is no such endpoint.
        """
        if endpoint not in self.endpoints:
            raise ValueError(f"{self.name} has no endpoint {endpoint!r}; it has {', '.join(self.endpoints) or 'none'}")
        return self._part(self.endpoints[endpoint])

    def up_to_map_size(self, map_size: int | tuple[int, int]) -> "Cost":
        """The cost of everything that the first map of this height and width depends on.

        Raises:
          ValueError: There is no such map.
        """
        size = (map_size, map_size) if isinstance(map_size, int) else map_size
        if size not in self.maps:
            sizes = ", ".join(f"{height}x{width}" for height, width in self.maps)
            raise ValueError(f"{self.name} has no map of {size[0]}x{size[1]}; it has {sizes or 'none'}")
        return self._part(self.maps[size])

    def stages(self) -> dict[str, "Cost"]:
        """The cost from each named feature map to the next, and of what follows the last as "output"."""
        parts: dict[str, Cost] = {}
        counted: frozenset[int] = frozenset()
        for name, rows in self.endpoints.items():
            parts[name] = self._part(rows - counted)
            counted |= rows
        parts["output"] = self._part(frozenset(range(len(self.layers))) - counted)
        return parts

    def _part(self, rows: frozenset[int]) -> "Cost":
        layers = tuple(self.layers[row] for row in sorted(rows))
        return dataclasses.replace(self, layers=layers, endpoints={}, maps={}, unused={}, remarks=())


def cost(
    model: nn.Module,
    input_size: int | tuple[int, int],
    *,
    batch_size: int = 1,
    channels: int = 3,
    **call: Any,
) -> Cost:
    """Counts what a network costs without running it or allocating anything.

    Args:
      model: Any Linen module that maps images to arrays.
      input_size: H and W of the images in pixels; one number for both.
      batch_size: Number of images.
      channels: Channels of the images.
      **call: Further keyword arguments of the module's call, for example `train=False`.

    Raises:
      TypeError: `model` is no Linen module.
      ValueError: The network cannot take such images.
    """
    return bill(trace(model, input_size, batch_size=batch_size, channels=channels, **call))


def bill(graph: Graph) -> Cost:
    """Counts what a traced network costs.

    Raises:
      ValueError: A map in the network is empty: the images are too small.
    """
    operations = _on_the_way(graph)
    memory = stored_bytes(graph, operations)
    parameters = _parameters_behind(graph)
    rows: list[_Row] = []
    row_of_module: dict[str, _Row] = {}
    needed: dict[int, int] = {graph.image: 0}  # the rows that a value depends on, one bit each
    latest: dict[int, _Row] = {}  # the last row on the point-wise way to a value
    charged: set[str] = set()
    remarks = list(graph.remarks)

    def new_row(op: Operation, name: str, what: "_Kind") -> _Row:
        rows.append(_Row(1 << len(rows), name, what, graph.shapes[op.outputs[0]].shape))
        if 0 in rows[-1].output:
            raise ValueError(
                f"images of shape {graph.shapes[graph.image].shape} are too small for {graph.name}: "
                f"{name or what.kind} gets or makes an empty map, {rows[-1].output}"
            )
        return rows[-1]

    for op in operations:
        news = sorted(frozenset().union(*(parameters.get(value, ()) for value in op.inputs)) - charged)
        charged |= set(news)
        inputs = [value for value in op.inputs if value in needed]
        row = max((latest[value] for value in inputs if value in latest), key=lambda row: row.bit, default=None)
        if not is_pointwise(op, graph.shapes):
            what = _describe(op, graph, inputs, parameters)
            row = new_row(op, _module(news[0]) if news else op.path, what)
            row.macs = what.macs * op.repeats
            if what.kind == op.primitive:
                remarks.append(f"{op.path or graph.name}: the cost of {op.primitive} is not known")
            if news:
                row_of_module[row.name] = row
        for path in news:
            owner = row_of_module.get(_module(path))
            if owner is None:
                owner = row = row_of_module[_module(path)] = new_row(op, _module(path), _Kind("pointwise"))
            shape = graph.shapes[graph.parameters[path]]
            owner.parameters += math.prod(shape.shape)
            owner.weight_bytes += math.prod(shape.shape) * shape.dtype.itemsize
        size = sum(memory.get(value, 0) for value in op.outputs)
        if size:
            if row is None or (is_pointwise(op, graph.shapes) and row.what.kind != "pointwise"):
                row = new_row(op, op.path, _Kind("pointwise"))
            row.bytes += size
        rows_before = 0
        for value in inputs:
            rows_before |= needed[value]
        for value in op.outputs:
            needed[value] = rows_before | (row.bit if row else 0)
            if row:
                latest[value] = row
    for name, value in graph.endpoints.items():
        if value in latest and not latest[value].name:
            latest[value].name = name
    maps: dict[tuple[int, int], int] = {}
    for op in operations:
        shape = graph.shapes[op.outputs[0]].shape
        if len(shape) == 4 and op.outputs[0] in latest:
            maps.setdefault((shape[1], shape[2]), needed[op.outputs[0]])
    return Cost(
        name=graph.name,
        input_shape=graph.shapes[graph.image].shape,
        layers=tuple(row.layer() for row in rows),
        endpoints={name: _bits(needed.get(value, 0)) for name, value in graph.endpoints.items()},
        maps={size: _bits(mask) for size, mask in maps.items()},
        unused={
            path: math.prod(graph.shapes[value].shape)
            for path, value in graph.parameters.items()
            if path not in charged
        },
        remarks=tuple(dict.fromkeys(remarks)),
    )


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What a layer is, and what one run of it multiplies."""

    kind: str
    kernel: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    macs: int = 0


@dataclasses.dataclass
class _Row:
    """A layer while it is being counted; `bit` is its place in the bill as a power of two."""

    bit: int
    name: str
    what: _Kind
    output: tuple[int, ...]
    parameters: int = 0
    weight_bytes: int = 0
    macs: int = 0
    bytes: int = 0

    def layer(self) -> Layer:
        return Layer(
            name=self.name,
            kind=self.what.kind,
            kernel=self.what.kernel,
            stride=self.what.stride,
            output=self.output,
            parameters=self.parameters,
            weight_bytes=self.weight_bytes,
            macs=self.macs,
            bytes=self.bytes,
        )


def _describe(op: Operation, graph: Graph, inputs: Sequence[int], parameters: Mapping[int, frozenset[str]]) -> _Kind:
    """The kind of an operation, of whose inputs `inputs` depend on the images."""
    output = math.prod(graph.shapes[op.outputs[0]].shape)
    if op.primitive == "conv_general_dilated":
        return _convolution(op, graph)
    if op.primitive == "dot_general":
        (summed, _), _ = op.params["dimension_numbers"]
        left = graph.shapes[op.inputs[0]].shape
        macs = output * math.prod(left[axis] for axis in summed)
        if len(set(inputs)) == len(op.inputs):
            return _Kind("matmul", macs=macs)
        if not any(parameters.get(value) for value in op.inputs):
            return _Kind("resize", macs=macs)
        ranks = {len(graph.shapes[value].shape) for value in (*inputs, *op.outputs)}
        return _Kind("conv", (1, 1), (1, 1), macs) if ranks == {4} else _Kind("fc", macs=macs)
    if op.primitive in POOLS:
        window, strides = op.params["window_dimensions"], op.params["window_strides"]
        pixels = slice(1, -1) if window[-1] == 1 else slice(2, None)  # channels come last, or first
        return _Kind(POOLS[op.primitive], tuple(window[pixels]), tuple(strides[pixels]))
    if is_global_pool(op, graph.shapes):
        return _Kind("global pool")
    return _Kind("concat" if op.primitive == "concatenate" else op.primitive)


def _convolution(op: Operation, graph: Graph) -> _Kind:
    (left, right), numbers = op.inputs, op.params["dimension_numbers"]
    kernel = graph.shapes[right].shape
    features, inputs, *pixels = numbers.rhs_spec
    window = tuple(kernel[axis] for axis in pixels)
    taps = math.prod(window) * kernel[inputs]
    macs = math.prod(graph.shapes[op.outputs[0]].shape) * taps
    if any(dilation != 1 for dilation in op.params["lhs_dilation"]):  # transposed: zeros between pixels do not count
        macs = math.prod(graph.shapes[left].shape) * math.prod(window) * kernel[features]
        macs //= op.params["feature_group_count"]
    return _Kind("conv", window, tuple(op.params["window_strides"]), macs)


def _on_the_way(graph: Graph) -> list[Operation]:
    """The operations between the images and the outputs, in order."""
    computed = {graph.image}
    for op in graph.operations:
        if not computed.isdisjoint(op.inputs):
            computed.update(op.outputs)
    wanted = set(graph.outputs)
    kept = []
    for op in reversed(graph.operations):
        if not wanted.isdisjoint(op.outputs):
            wanted.update(op.inputs)
            if not computed.isdisjoint(op.inputs):
                kept.append(op)
    return kept[::-1]


def _parameters_behind(graph: Graph) -> dict[int, frozenset[str]]:
    """For every value that is computed from parameters but not from images, the parameters' paths."""
    behind: dict[int, frozenset[str]] = {}
    for path, value in graph.parameters.items():
        behind[value] = behind.get(value, frozenset()) | {path}
    for op in reversed(graph.operations):  # what a loop makes and stacks is, for the loop, the parameter itself
        if op.primitive == "scan_stack" and op.outputs[0] in behind:
            behind[op.inputs[0]] = behind[op.outputs[0]]
    computed = {graph.image}
    for op in graph.operations:
        if not computed.isdisjoint(op.inputs):
            computed.update(op.outputs)
        elif inherited := frozenset().union(*(behind.get(value, ()) for value in op.inputs)):
            for value in op.outputs:
                behind.setdefault(value, inherited)
    return behind


def _module(path: str) -> str:
    """The module that owns a parameter; a parameter of the network itself stands for itself."""
    return path.rpartition("/")[0] or path


def _bits(mask: int) -> frozenset[int]:
    return frozenset(i for i in range(mask.bit_length()) if mask >> i & 1)
