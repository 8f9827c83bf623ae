"""Which values of a network must be stored, and what that takes.

What point-wise operations pass on to one another is never stored; a view is the value that it looks at; and a
point-wise result overwrites an operand of its size that nothing reads any more.
"""

import math
from collections.abc import Sequence

from cnn_evolution.analysis.graph import Graph, Operation
from cnn_evolution.analysis.primitives import VIEWS, is_pointwise

NOBODY = -1  # no value of the network: whoever asked for the outputs


def stored_bytes(graph: Graph, operations: Sequence[Operation]) -> dict[int, int]:
    """The memory of every stored value but the images, in bytes; 0 for one that overwrites its operand.

    `operations` are those of `graph` that compute its outputs from the images.
    """
    computed = {value for op in operations for value in op.outputs}
    root = {value: value for value in (graph.image, *computed)}  # what a value is a view of
    stored = {graph.image}
    for op in operations:
        inputs = [value for value in op.inputs if value in root]
        if op.primitive in VIEWS:
            root |= {value: root[inputs[0]] for value in op.outputs}
        elif not is_pointwise(op, graph.shapes):
            stored |= {root[value] for value in inputs} | set(op.outputs)
    stored |= {root[value] for value in graph.outputs if value in root}

    sources: dict[int, frozenset[int]] = {graph.image: frozenset([graph.image])}  # the stored values behind a value
    operands: dict[int, frozenset[int]] = {}  # the stored values behind a stored point-wise one
    last_reader: dict[int, int] = {}  # of a stored value: the stored value that is made from it last
    for op in operations:
        behind = frozenset().union(*(sources[value] for value in op.inputs if value in sources))
        pointwise = is_pointwise(op, graph.shapes)
        for value in op.outputs:
            sources[value] = frozenset([value]) if value in stored else behind
            if not pointwise or value in stored:
                last_reader |= dict.fromkeys(behind, value)
            if pointwise and value in stored:
                operands[value] = behind
    for value in graph.outputs:
        last_reader |= dict.fromkeys(sources.get(value, ()), NOBODY)

    def size(value: int) -> int:
        shape = graph.shapes[value]
        return math.prod(shape.shape) * shape.dtype.itemsize

    def overwrites(value: int) -> bool:
        return any(
            operand != graph.image and size(operand) == size(value) and last_reader[operand] == value
            for operand in operands.get(value, ())
        )

    repeats = {value: op.repeats for op in operations for value in op.outputs}
    return {value: 0 if overwrites(value) else size(value) * repeats[value] for value in stored - {graph.image}}
