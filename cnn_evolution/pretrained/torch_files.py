"""PyTorch's files, read without PyTorch and without unpickling.

`torch.save` writes a pickle that describes the tensors and, beside it, their storages as plain numbers. A pickle is a
program for a stack machine that can call anything. The machine here knows only the opcodes that describe tensors,
looks up no name and calls nothing: it builds containers, numbers, text and the dataclasses below, and refuses anything
else by name. The storages are read one by one after the description was checked.

The zip form (since PyTorch 1.6) is an archive of members that are stored as they are: `NAME/data.pkl`, and
`NAME/data/KEY` for every storage. The older form is a row of pickles (a magic number, a version, the writer's system,
the description, the keys of the storages), then every storage as its length and its numbers.
"""

import io
import itertools
import math
import pickletools
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import jax.numpy as jnp
import numpy as np

CHUNK = 1 << 20  # bytes that are read at a time
DAMAGED = (ValueError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What reading raises where a file is damaged or refused; RuntimeError is zipfile's where a member is encrypted."""

_MOST_BYTES = 1 << 22  # of a description, and of an archive's directory: those of 20,000 tensors
_MOST_OPCODES = 150_000  # of the pickles of a file; a tensor takes about 40
_MOST_DIMENSIONS = 8
_MOST_EXPANDED = 1 << 24  # elements of all tensors that have more of them than their storages
_OLDER_FORM = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."  # magic number and version, as pickles

_STORAGES = {
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.BFloat16Storage": np.dtype(jnp.bfloat16),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}
_CONSTRUCTORS = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.nn.parameter.Parameter",
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
# How many values an opcode takes off the stack; None for all down to the last mark.
_TAKES = {
    "EMPTY_TUPLE": 0,
    "TUPLE": None,
    "TUPLE1": 1,
    "TUPLE2": 2,
    "TUPLE3": 3,
    "SETITEM": 2,
    "SETITEMS": None,
    "APPEND": 1,
    "APPENDS": None,
    "REDUCE": 2,
    "BUILD": 1,
    "BINPERSID": 1,
    "STOP": 1,
}


@dataclass(frozen=True)
class Global:
    """A name that stands in a pickle; what it names is never looked up."""

    name: str


@dataclass(frozen=True)
class Storage:
    """Numbers that lie somewhere in the file."""

    key: str
    dtype: np.dtype
    numel: int

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize


@dataclass(frozen=True)
class Tensor:
    """A view of a storage; offset and strides count elements.

    Raises:
      ValueError: It has no valid shape or reaches beyond its storage.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.strides) or len(self.shape) > _MOST_DIMENSIONS:
            raise ValueError(
                f"a tensor has {len(self.shape)} sizes and {len(self.strides)} strides; expected as many, "
                f"{_MOST_DIMENSIONS} at most"
            )
        for number in (self.offset, *self.shape, *self.strides):
            if type(number) is not int or not 0 <= number < 1 << 48:
                raise ValueError(f"an offset, a size or a stride of a tensor is {_shown(number)}; expected 0 to 2**48")
        last = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if self.offset + (last + 1 if self.numel else 0) > self.storage.numel:
            raise ValueError(
                f"a tensor reaches beyond its storage {_shown(self.storage.key)} of {self.storage.numel} elements"
            )

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


def read_torch(file: IO[bytes]) -> dict[str, np.ndarray]:
    """Reads a state dict that `torch.save` wrote, in its zip form or its older one.

    Args:
      file: Stands at its beginning and can seek.

    Returns:
      Names to arrays; those of one storage share memory, and bfloat16 becomes float32.

    Raises:
      One of `DAMAGED`: The file is damaged, or holds something else; says what.
    """
    start = file.read(len(_OLDER_FORM))
    if start.startswith(b"PK"):
        return _read_zip_form(file)
    if start == _OLDER_FORM:
        return _read_older_form(file)
    raise ValueError("it begins like neither the zip form nor the older form of torch.save")


class _Bounded:
    """A file of which zipfile reads no more at once than a directory may have, whatever the archive claims."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _MOST_BYTES:
            raise ValueError(f"its directory claims {size:,} bytes; {_MOST_BYTES:,} are read at most")
        return self._file.read(_MOST_BYTES if size < 0 else size)


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """A zip archive whose directory is of a bounded size, and whose members do not overlap.

    Raises:
      One of `DAMAGED`: It is damaged or something else.
    """
    archive = zipfile.ZipFile(_Bounded(file))
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise ValueError("its archive holds members of the same name")
    end = file.seek(0, io.SEEK_END)
    spans = sorted((member.header_offset, member.header_offset + member.compress_size) for member in members)
    if any(before[1] > after[0] for before, after in itertools.pairwise([(0, 0), *spans, (end, end)])):
        raise ValueError("its archive has members that overlap or are cut")
    return archive


def _read_zip_form(file: IO[bytes]) -> dict[str, np.ndarray]:
    with open_archive(file) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
                raise ValueError(f"its member {_shown(member.filename)} is compressed, which torch's are not")
        roots = [name.removesuffix("data.pkl") for name in sizes if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise ValueError(f"its archive holds {len(roots)} members NAME/data.pkl; expected one")
        [root] = roots

        def small(name: str) -> bytes:
            if sizes[name] > _MOST_BYTES:
                raise ValueError(
                    f"its member {_shown(name)} has {sizes[name]:,} bytes; {_MOST_BYTES:,} are read at most"
                )
            return archive.read(name)

        def numbers(storage: Storage) -> np.ndarray:
            name = f"{root}data/{storage.key}"
            if sizes.get(name) != storage.nbytes:
                raise ValueError(f"its member {_shown(name)} has {sizes.get(name)} bytes; expected {storage.nbytes}")
            with archive.open(name) as member:
                return _numbers(member, storage)

        if f"{root}byteorder" in sizes and small(f"{root}byteorder") != b"little":  # files before PyTorch 2.1 lack it
            raise ValueError("its numbers are not little-endian")
        tensors = _state_dict(_interpreted(_opcodes(io.BytesIO(small(f"{root}data.pkl")), 1)))
        return _arrays(tensors, {key: numbers(storage) for key, storage in _storages(tensors).items()})


def _read_older_form(file: IO[bytes]) -> dict[str, np.ndarray]:
    """Reads what follows the magic number and the version."""
    start = file.tell()
    pickles = io.BytesIO(file.read(_MOST_BYTES))
    opcodes = _opcodes(pickles, 3)
    system, content, keys = (_interpreted(opcodes) for _ in range(3))
    if not (isinstance(system, dict) and system.get("little_endian") is True):
        raise ValueError("its numbers are not little-endian")
    tensors = _state_dict(content)
    storages = _storages(tensors)
    if not isinstance(keys, list) or set(map(type, keys)) - {str} or sorted(keys) != sorted(storages):
        raise ValueError("its list of storages differs from those of its tensors")
    end = file.seek(0, io.SEEK_END)
    file.seek(start + pickles.tell())
    numbers = {}
    for key in keys:
        storage = storages[key]
        if 8 + storage.nbytes > end - file.tell():
            raise ValueError(f"it is cut: storage {_shown(key)} of {storage.nbytes} bytes reaches beyond its end")
        if (numel := int.from_bytes(file.read(8), "little", signed=True)) != storage.numel:
            raise ValueError(f"storage {_shown(key)} has {numel} elements; expected {storage.numel}")
        numbers[key] = _numbers(file, storage)
    return _arrays(tensors, numbers)


def _numbers(file: IO[bytes], storage: Storage) -> np.ndarray:
    """The numbers of a storage from where `file` stands: (storage.numel,)."""
    raw = np.empty(storage.nbytes, np.uint8)
    for start in range(0, raw.size, CHUNK):
        part = raw[start : start + CHUNK]
        part[:] = np.frombuffer(file.read(part.size), np.uint8, part.size)  # a ValueError if there are fewer
    if storage.dtype == bool and raw.max(initial=0) > 1:
        raise ValueError(f"storage {_shown(storage.key)} holds bytes that are no booleans")
    numbers = raw.view(storage.dtype)
    return numbers.astype(np.float32) if storage.dtype == jnp.bfloat16 else numbers  # which NumPy lacks


def _state_dict(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}; expected a state dict, which maps names to tensors")
    other = (
        f"{_shown(name)} ({type(value).__name__})"
        for name, value in content.items()
        if not (isinstance(name, str) and isinstance(value, Tensor))
    )
    if first := list(itertools.islice(other, 5)):
        raise ValueError(f"it holds more than tensors: {', '.join(first)}; expected a state dict alone")
    expanded = sum(tensor.numel for tensor in content.values() if tensor.numel > tensor.storage.numel)
    if expanded > _MOST_EXPANDED:
        raise ValueError(
            f"its tensors repeat their numbers to {expanded:,} elements; at most {_MOST_EXPANDED:,} are read"
        )
    return dict(content)


def _storages(tensors: dict[str, Tensor]) -> dict[str, Storage]:
    """The storages of tensors by their keys."""
    storages: dict[str, Storage] = {}
    for tensor in tensors.values():
        if storages.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise ValueError(f"its tensors disagree on storage {_shown(tensor.storage.key)}")
    return storages


def _arrays(tensors: dict[str, Tensor], numbers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    def array(tensor: Tensor) -> np.ndarray:
        base = numbers[tensor.storage.key]
        size = base.itemsize
        return np.ndarray(
            tensor.shape, base.dtype, base, tensor.offset * size, [stride * size for stride in tensor.strides]
        )

    return {name: array(tensor) for name, tensor in tensors.items()}


def _opcodes(file: io.BytesIO, pickles: int) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    """The opcodes of a row of pickles, each read when it is asked for."""
    rows = itertools.chain.from_iterable(pickletools.genops(file) for _ in range(pickles))
    yield from itertools.islice(rows, _MOST_OPCODES)
    raise ValueError(f"its pickle has more than {_MOST_OPCODES:,} opcodes")


def _interpreted(opcodes: Iterable[tuple[pickletools.OpcodeInfo, Any, int | None]]) -> Any:
    """What the next pickle describes. Nothing here descends into values, so that their nesting costs nothing."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def taken(count: int | None) -> list[Any]:
        """The topmost values, off the stack; all down to the last mark for None."""
        if count is None and not marks:
            raise ValueError(f"its pickle is damaged: {name} finds no mark")
        start = marks.pop() if count is None else len(stack) - count
        if start < (marks[-1] if marks else 0):
            raise ValueError(f"its pickle is damaged: {name} finds too few values")
        values = stack[start:]
        del stack[start:]
        return values

    for number, (opcode, argument, _) in enumerate(opcodes):
        name = opcode.name
        values = taken(_TAKES[name]) if name in _TAKES else []
        match name:
            case "BINGET" | "LONG_BINGET":
                if argument not in memo:
                    raise ValueError(f"its pickle is damaged: nothing was put at {argument}")
                stack.append(memo[argument])
            case "BINPUT" | "LONG_BINPUT":
                if argument > number:
                    raise ValueError(f"its pickle puts a value at {argument}, beyond its opcodes")
                [memo[argument]] = taken(1)
                stack.append(memo[argument])
            case "SHORT_BINSTRING" if not argument.isascii():
                raise ValueError("its pickle has a text of Python 2 that is not ASCII")
            case "BININT1" | "BININT2" | "BININT" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINSTRING":
                stack.append(argument)
            case "TUPLE" | "EMPTY_TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(values))
            case "MARK":
                marks.append(len(stack))
            case "REDUCE":
                stack.append(_called(*values))
            case "BINPERSID":
                stack.append(_storage(*values))
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(_CONSTANTS[name])
            case "GLOBAL":
                stack.append(_global(argument.replace(" ", ".", 1)))
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM" | "SETITEMS":
                [target] = taken(1)
                stack.append(_with_items(target, values))
            case "APPEND" | "APPENDS":
                [target] = taken(1)
                if type(target) is not list:
                    raise ValueError(f"its pickle appends to a {type(target).__name__}")
                target.extend(values)
                stack.append(target)
            case "BUILD":
                [target] = taken(1)
                stack.append(_built(target, *values))
            case "PROTO":
                if argument != 2:
                    raise ValueError(f"its pickle has protocol {argument}; torch.save writes 2")
            case "STOP":
                return values[0]
            case _:
                raise ValueError(f"its pickle has the opcode {name}, which no plain tensor needs")
    raise AssertionError("genops ends with STOP or raises")


def _global(name: str) -> Global:
    if name not in _CONSTRUCTORS and name not in _STORAGES:
        raise ValueError(f"it names {name:.100}, which is no constructor of plain tensors")
    return Global(name)


def _storage(identifier: Any) -> Storage:
    """What a persistent identifier stands for: ("storage", type, key, device, elements), and None in the older form."""
    match identifier:
        case ("storage", Global(name), str(key), str(), int(numel)) if name in _STORAGES and numel >= 0:
            return Storage(key, _STORAGES[name], numel)
        case ("storage", Global(name), str(key), str(), int(numel), None) if name in _STORAGES and numel >= 0:
            return Storage(key, _STORAGES[name], numel)
    raise ValueError(f"it refers to {_shown(identifier)}, which is no storage")


def _called(function: Any, arguments: Any) -> OrderedDict[Any, Any] | Tensor:
    """What a constructor builds."""
    match function, arguments:
        case Global("collections.OrderedDict"), ():
            return OrderedDict()
        case Global("collections.OrderedDict"), (list(items),) if all(map(_is_item, items)):  # of Python 2
            values = list(itertools.chain.from_iterable(items))
            items[:] = [None]  # refused the next time: dictionaries without end could be made of one long list
            return _with_items(OrderedDict(), values)
        case Global("torch._utils._rebuild_tensor"), (Storage() as storage, offset, tuple(shape), tuple(strides)):
            return Tensor(storage, offset, shape, strides)
        case (
            Global("torch._utils._rebuild_tensor_v2"),
            (Storage() as storage, offset, tuple(shape), tuple(strides), bool(), OrderedDict()),
        ):
            return Tensor(storage, offset, shape, strides)
        case Global("torch._utils._rebuild_parameter"), (Tensor() as tensor, bool(), OrderedDict()):
            return tensor
        case Global("torch.nn.parameter.Parameter"), (Tensor() as tensor,):
            return tensor
    raise ValueError(f"its pickle calls {_shown(function)} with {_shown(arguments)}")


def _is_item(value: Any) -> bool:
    return type(value) is list and len(value) == 2


def _with_items(target: Any, values: list[Any]) -> Any:
    """A dictionary with further keys and values, which alternate in `values`."""
    if not isinstance(target, dict) or len(values) % 2:
        raise ValueError(f"its pickle sets {len(values)} keys and values of a {type(target).__name__}")
    for key, value in zip(values[::2], values[1::2], strict=True):
        # Of other keys many can be made that share a hash, and a dictionary of these takes forever.
        if not (type(key) is str or (type(key) is int and abs(key) < 1 << 31)):
            raise ValueError(f"a key of a dictionary is {_shown(key)}; expected text or a small number")
        target[key] = value
    return target


def _built(target: Any, state: Any) -> Any:
    """The value without its attributes: a state dict's versions of modules, an old parameter's flags."""
    match target, state:
        case OrderedDict(), {"_metadata": dict()} if len(state) == 1:
            return target
        case Tensor(), (bool(), bool(), OrderedDict()):
            return target
    raise ValueError(f"its pickle gives attributes to a {type(target).__name__}: {_shown(state)}")


def _shown(value: Any, inside: bool = True) -> str:
    """A value in a message: numbers, text and names, and of other things their type; of a tuple what is in it."""
    match value:
        case str() | int() | float() | None:
            return f"{value!r:.100}"
        case Global(name):
            return f"{name:.100}"
        case tuple() if inside:
            return f"({', '.join(_shown(part, inside=False) for part in value[:8])})"
    return type(value).__name__
