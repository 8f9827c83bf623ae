"""PyTorch's files put together opcode by opcode: those that torch would write, and those that it never would."""

import io
import struct
import zipfile
from collections.abc import Mapping

OLDER_FORM = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."  # the magic number and the version
STORAGES = {
    "float16": "HalfStorage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "bfloat16": "BFloat16Storage",
    "int8": "CharStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
"""NumPy's names of types to torch's."""


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    """As LONG1, which holds numbers of any size."""
    encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def row(*values: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(values) + b"t"


def numbers(*values: int) -> bytes:
    return row(*map(number, values))


def mapping(items: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def storage(key: str, kind: str, elements: int, form: str = "zip") -> bytes:
    """A persistent identifier, which in the older form ends with None."""
    view = [b"N"] if form == "older" else []
    return row(text("storage"), named("torch", kind), text(key), text("cpu"), number(elements), *view) + b"Q"


def ordered(*arguments: bytes) -> bytes:
    return named("collections", "OrderedDict") + row(*arguments) + b"R"


def tensor(stored: bytes, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    arguments = row(stored, number(offset), numbers(*shape), numbers(*strides), b"\x89", ordered())
    return named("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def pickled(content: bytes) -> bytes:
    return b"\x80\x02" + content + b"."


def older_form(
    content: bytes, storages: Mapping[str, bytes], lengths: Mapping[str, int], system: bytes = b"\x88"
) -> bytes:
    """A file before PyTorch 1.6.

    Args:
      content: The opcodes of what it holds.
      storages: The bytes of every storage.
      lengths: Their elements.
      system: The opcode that says whether the writer was little-endian.
    """
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    pickles = (mapping({"little_endian": system}), content, keys)
    stored = (struct.pack("<q", lengths[key]) + value for key, value in storages.items())
    return OLDER_FORM + b"".join(map(pickled, pickles)) + b"".join(stored)


def zip_form(
    content: bytes,
    storages: Mapping[str, bytes],
    *,
    byteorder: bytes = b"little",
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """A file since PyTorch 1.6; `content` and `storages` as in `older_form`."""
    members = {"data.pkl": pickled(content), "byteorder": byteorder, "version": b"3\n"}
    members |= {f"data/{key}": value for key, value in storages.items()}
    return archive({f"a/{name}": value for name, value in members.items()}, compression)


def archive(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as written:
        for name, value in members.items():
            written.writestr(name, value)
    return file.getvalue()
