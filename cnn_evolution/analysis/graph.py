"""The operations of a network as a flat list, from one abstract trace: nothing is run and nothing allocated.

A network is traced to a jaxpr, JAX's own list of operations, because that is what is computed: it shows poolings,
matrix products and convolutions that no module stands for, in any Linen module. Function calls within it are replaced
by what they do, so that what remains are operations on values, each with the place where the network asks for it.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from cnn_evolution import layers

# Primitives that only call a function; the parameter that holds it.
CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation on values.

    Attributes:
      primitive: What JAX calls it, for example `"conv_general_dilated"`.
      inputs: The values it reads, as indices into `Graph.shapes`.
      outputs: The values it makes.
      params: JAX's parameters of the primitive.
      path: The module that asks for it, as names joined by "/"; empty for the network itself.
      repeats: How often it happens, more than once within a loop.
    """

    primitive: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: Mapping[str, Any]
    path: str
    repeats: int = 1


@dataclasses.dataclass(frozen=True)
class Graph:
    """A network on one batch of images.

    Attributes:
      name: Of the network.
      operations: In the order in which the network asks for them.
      shapes: Of every value, something with `shape` and `dtype`.
      image: The value that holds the images.
      outputs: The values that the network returns.
      parameters: Value of every parameter, by the parameter's path.
      endpoints: Value of every named feature map, in the order of their computation.
      remarks: What the trace cannot know, for example how often a loop runs.
    """

    name: str
    operations: tuple[Operation, ...]
    shapes: tuple[Any, ...]
    image: int
    outputs: tuple[int, ...]
    parameters: Mapping[str, int]
    endpoints: Mapping[str, int]
    remarks: tuple[str, ...]


def trace(
    model: nn.Module,
    input_size: int | tuple[int, int],
    *,
    batch_size: int = 1,
    channels: int = 3,
    **call: Any,
) -> Graph:
    """Traces a network on images of shape (batch_size, H, W, channels).

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
    if not isinstance(model, nn.Module):
        what = model.__name__ + ", a class" if isinstance(model, type) else f"of type {type(model).__name__}"
        raise TypeError(f"model is {what}; expected an instance of flax.linen.Module")
    size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    if min(size) < 1:
        raise ValueError(f"input_size is {input_size}; expected at least 1 pixel")
    name = model.name or type(model).__name__
    images = jax.ShapeDtypeStruct((batch_size, *size, channels), jnp.float32)
    tracing = _Trace(name)
    # Parameters are made while the network is traced, not before: half the time, and the same operations.
    endpoint_names: list[str] = []

    def run(key: jax.Array, images: jax.Array) -> tuple[Any, ...]:
        output, state = model.apply({}, images, rngs={"params": key}, mutable=True, **call)
        endpoint_names.extend(flat(state.get("endpoints", {})))
        return output, flat(state.get("params", {})), flat(state.get("endpoints", {}))

    key = jax.eval_shape(lambda: jax.random.key(0))
    with (
        layers.plain_convolutions(),
        nn.intercept_methods(_with_zero_kernels),
        nn.override_named_call(True),
        _refusal(name, images.shape),
    ):
        closed, (output, parameters, endpoints) = jax.make_jaxpr(run, return_shape=True)(key, images)
    inputs = [tracing.value(variable.aval) for variable in closed.jaxpr.invars]
    tracing.seen.add(inputs[1])
    values = iter(tracing.inline(closed, inputs, (), 1))
    outputs = tuple(next(values) for _ in jax.tree.leaves(output))
    # JAX flattens dictionaries in the order of their sorted keys.
    parameter_values = {path: next(values) for path in sorted(parameters)}
    endpoint_values = {path: next(values) for path in sorted(endpoints)}
    return Graph(
        name=name,
        operations=tuple(tracing.operations),
        shapes=tuple(tracing.shapes),
        image=inputs[1],
        outputs=outputs,
        parameters=parameter_values,
        endpoints={path: endpoint_values[path] for path in endpoint_names},
        remarks=tuple(dict.fromkeys(tracing.remarks)),
    )


@contextlib.contextmanager
def _refusal(name: str, shape: tuple[int, ...]) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, ZeroDivisionError, IndexError) as error:
        raise ValueError(f"{name} cannot take images of shape {shape}: {error}") from error


def _with_zero_kernels(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Calls a module, without tracing how the kernels of Flax's own layers are drawn: a fifth of the time."""
    if isinstance(context.module, nn.Conv | nn.Dense):
        object.__setattr__(context.module, "kernel_init", nn.initializers.zeros)
    return call(*args, **kwargs)


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves of nested dictionaries by path; what else a leaf consists of is numbered."""
    flat: dict[str, Any] = {}
    for path, leaf in traverse_util.flatten_dict(dict(tree), sep="/").items():
        parts = jax.tree.leaves(leaf)
        flat |= {path: parts[0]} if len(parts) == 1 else {f"{path}/{i}": part for i, part in enumerate(parts)}
    return flat


class _Trace:
    """Collects operations and values while calls are replaced by what they do."""

    def __init__(self, name: str):
        self.name = name
        self.operations: list[Operation] = []
        self.shapes: list[Any] = []
        self.seen: set[int] = set()  # values that depend on the images
        self.remarks: list[str] = []

    def value(self, aval: Any) -> int:
        self.shapes.append(aval)
        return len(self.shapes) - 1

    def inline(
        self, jaxpr: Jaxpr | ClosedJaxpr, inputs: Sequence[int], path: tuple[str, ...], repeats: int
    ) -> list[int]:
        """Appends the operations of a function whose arguments are `inputs`; returns the values of its results."""
        jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
        values = {variable: self.value(variable.aval) for variable in jaxpr.constvars}
        values |= dict(zip(jaxpr.invars, inputs, strict=True))

        def read(atom: Any) -> int:
            return self.value(atom.aval) if isinstance(atom, Literal) else values[atom]

        for eqn in jaxpr.eqns:
            arguments = [read(atom) for atom in eqn.invars]
            here = path + tuple(str(eqn.source_info.name_stack).split("/"))
            results = self.operation(eqn, arguments, here, repeats)
            values |= dict(zip(eqn.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def operation(self, eqn: Any, arguments: list[int], path: tuple[str, ...], repeats: int) -> list[int]:
        name, params = eqn.primitive.name, eqn.params
        if self.seen.isdisjoint(arguments):  # how weights are drawn is not looked into
            results = [self.value(variable.aval) for variable in eqn.outvars]
            self.append(name, arguments, results, params, path, repeats)
            return results
        if name in CALLS:
            return self.inline(params[CALLS[name]], arguments, path, repeats)
        if name == "scan":
            return self.scan(params, arguments, path, repeats)
        if name == "while":
            self.remark("a while loop: counted as if it ran once", path)
            return self.inline(params["body_jaxpr"], arguments[params["cond_nconsts"] :], path, repeats)
        if name == "cond":
            self.remark("a choice between branches: the one with most operations is counted", path)
            longest = max(params["branches"], key=_length)
            return self.inline(longest, arguments[1:], path, repeats)
        results = [self.value(variable.aval) for variable in eqn.outvars]
        self.append(name, arguments, results, params, path, repeats)
        return results

    def scan(self, params: Mapping[str, Any], arguments: list[int], path: tuple[str, ...], repeats: int) -> list[int]:
        """The body once, repeated; its slices of stacked arguments and its stacked results are operations."""
        body = params["jaxpr"].jaxpr
        constants, carried = _before_the_slices(params)
        kept = constants + carried
        slices = [self.value(variable.aval) for variable in body.invars[kept:]]
        for whole, part in zip(arguments[kept:], slices, strict=True):
            self.append("scan_slice", [whole], [part], {}, path, repeats)
        results = self.inline(body, [*arguments[:kept], *slices], path, repeats * params["length"])
        stacked = []
        for part in results[carried:]:
            shape = self.shapes[part]
            stacked.append(self.value(jax.ShapeDtypeStruct((params["length"], *shape.shape), shape.dtype)))
            self.append("scan_stack", [part], [stacked[-1]], {}, path, repeats)
        return results[:carried] + stacked

    def append(
        self,
        primitive: str,
        inputs: list[int],
        outputs: list[int],
        params: Mapping[str, Any],
        path: tuple[str, ...],
        repeats: int,
    ) -> None:
        if not self.seen.isdisjoint(inputs):
            self.seen.update(outputs)
        self.operations.append(Operation(primitive, tuple(inputs), tuple(outputs), params, _module_path(path), repeats))

    def remark(self, what: str, path: tuple[str, ...]) -> None:
        self.remarks.append(f"{_module_path(path) or self.name}: {what}")


def _before_the_slices(params: Mapping[str, Any]) -> tuple[int, int]:
    """How many constants and carried values a scan has, which jax 0.11 states in another way than jax 0.10."""
    if "ft_in" in params:
        constants, carried, _ = map(len, params["ft_in"].unpack())
        return constants, carried
    return params["num_consts"], params["num_carry"]


def _module_path(names: tuple[str, ...]) -> str:
    """Without the network's own name, which comes first."""
    return "/".join(filter(None, names[1:]))


def _length(jaxpr: ClosedJaxpr) -> int:
    """Operations in a function, those of the functions that it calls included."""
    inner = [value for eqn in jaxpr.jaxpr.eqns for value in eqn.params.values() if isinstance(value, ClosedJaxpr)]
    return len(jaxpr.jaxpr.eqns) + sum(map(_length, inner))
