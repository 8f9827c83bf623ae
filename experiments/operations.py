"""Which kinds of operations the time of a program goes to that XLA compiled for a CPU."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
from jax.profiler import ProfileData

# XLA's opcodes and what they are; a fusion is of the first kind here that it has a part of.
_KINDS = {
    "convolution": "convolutions",
    "dot": "products of matrices",
    "reduce": "sums",
    "reduce-window": "sums",
}
_OTHER = "elementwise and copies"
OPERATIONS = tuple(dict.fromkeys([*_KINDS.values(), _OTHER]))
_RUNS_OTHERS = ("while", "call", "conditional")  # which are counted themselves

_COMPUTATION = re.compile(r"(?:ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?([\w.-]+) = (?:\(.*?\)|\S+) ([\w-]+)\(")
_FUSED = re.compile(r" fusion\(.*calls=%?([\w.-]+)")


def seconds_by_kind(program: str, run: Callable[[], None]) -> dict[str, float]:
    """The seconds of every kind of operation while `program`, in XLA's text form, runs once.

    Operations on several threads at once are counted in full, so that their sum may exceed the time that passes.
    """
    kinds = kinds_by_name(program)
    seconds = dict.fromkeys(OPERATIONS, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run()
        (path,) = Path(folder).rglob("*.xplane.pb")
        for plane in ProfileData.from_file(str(path)).planes:
            for event in (event for line in plane.lines for event in line.events):
                kind = kinds.get(dict(event.stats).get("hlo_op", ""))
                if kind:
                    seconds[kind] += event.duration_ns / 1e9
    return seconds


def kinds_by_name(program: str) -> dict[str, str]:
    """The kind of every instruction of a program, except of those that only run others."""
    opcodes: dict[str, set[str]] = {}  # of every computation
    instructions = []  # name, opcode, and the computation that it fuses
    for line in program.splitlines():
        if computation := _COMPUTATION.match(line):
            inside = opcodes.setdefault(computation[1], set())
        elif instruction := _INSTRUCTION.match(line):
            name, opcode = instruction.groups()
            inside.add(opcode)
            fused = _FUSED.search(line)
            instructions.append((name, opcode, fused and fused[1]))

    def kind(parts: set[str]) -> str:
        return next((kind for opcode, kind in _KINDS.items() if opcode in parts), _OTHER)

    return {
        name: kind(opcodes[fused] if fused else {opcode})
        for name, opcode, fused in instructions
        if opcode not in _RUNS_OTHERS
    }
