"""PyTorch's files without PyTorch: what torch wrote is read to the bit, and what it never wrote is refused by name."""

import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_evolution.pretrained import load_state_dict
from tests.pretrained.torch_pickles import (
    OLDER_FORM,
    STORAGES,
    archive,
    mapping,
    named,
    number,
    older_form,
    ordered,
    pickled,
    row,
    storage,
    tensor,
    text,
    zip_form,
)

WRITTEN = Path(__file__).with_name("torch_files")  # see make_torch_files.py
FORMS = ["zip", "older"]
STATES = ["layouts", "dtypes", "module"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Loads a file of the given bytes."""
    directory = tmp_path_factory.mktemp("files")

    def load(content, suffix=".pth"):
        path = directory / f"a{suffix}"
        path.write_bytes(content)
        return load_state_dict(path)

    return load


def assert_same(state, expected):
    assert state.keys() == expected.keys()
    for name, array in state.items():
        assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape), name
        assert array.tobytes() == expected[name].tobytes(), name


# What torch wrote


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", STATES)
def test_what_torch_wrote_is_read_as_torch_reads_it(name, form):
    assert_same(load_state_dict(WRITTEN / f"{name}_{form}.pth"), dict(np.load(WRITTEN / f"{name}.npz")))


@pytest.mark.parametrize("form", FORMS)
def test_it_is_read_from_an_archive_too(loaded, form):
    content = archive({"layouts.pth": (WRITTEN / f"layouts_{form}.pth").read_bytes()})
    assert_same(loaded(content, ".pth.zip"), dict(np.load(WRITTEN / "layouts.npz")))


@pytest.mark.parametrize("form", FORMS)
def test_tensors_of_one_storage_share_memory_that_can_be_written(form):
    state = load_state_dict(WRITTEN / f"layouts_{form}.pth")
    state["sliced"][0, 0, 0] = 42
    assert state["contiguous"][1, 1, 1] == 42
    assert not np.shares_memory(state["contiguous"], state["counter"])


@pytest.mark.parametrize("form", FORMS)
def test_a_training_checkpoint_is_refused_by_what_it_holds(form):
    message = r"more than tensors: 'epoch' \(int\), 'model' \(dict\), 'optimizer' \(dict\), 'best' \(tuple\); expected"
    with pytest.raises(ValueError, match=message):
        load_state_dict(WRITTEN / f"checkpoint_{form}.pth")


# What earlier versions of torch and of Python wrote

FOUR = np.arange(4, dtype=np.float32)
STORED = {"0": FOUR.tobytes()}
PLAIN = storage("0", "FloatStorage", 4)
VECTOR = tensor(PLAIN, 0, (4,), (1,))


def binstring(value):
    return b"U" + bytes([len(value)]) + value


def test_dictionaries_and_texts_of_python_2_are_read(loaded):
    identifier = row(
        binstring(b"storage"), named("torch", "FloatStorage"), binstring(b"0"), binstring(b"cpu"), b"K\x04"
    )
    value = (
        named("torch._utils", "_rebuild_tensor") + row(identifier + b"Q", b"K\x00", b"K\x04\x85", b"K\x01\x85") + b"R"
    )
    item = b"](" + binstring(b"fc.bias") + value + b"e"
    assert_same(loaded(older_form(ordered(b"](" + item + b"e"), STORED, {"0": 4})), {"fc.bias": FOUR})


def test_parameters_with_their_flags_are_read(loaded):
    parameter = named("torch.nn.parameter", "Parameter") + VECTOR + b"\x85R" + row(b"\x88", b"\x89", ordered()) + b"b"
    assert_same(loaded(older_form(mapping({"a": parameter}), STORED, {"0": 4})), {"a": FOUR})


def test_an_archive_that_does_not_state_its_byte_order_is_read(loaded):
    members = {"a/data.pkl": pickled(mapping({"a": VECTOR})), "a/data/0": FOUR.tobytes()}
    assert_same(loaded(archive(members, zipfile.ZIP_STORED)), {"a": FOUR})


# Whatever tensors there are


@st.composite
def views(draw):
    """An array of any type, its axes in any order, that begins anywhere in a storage; and the storage."""
    dtype = np.dtype(
        getattr(ml_dtypes, kind) if (kind := draw(st.sampled_from(list(STORAGES)))) == "bfloat16" else kind
    )
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    before, after = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    count = before + int(np.prod(shape)) + after
    raw = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
    base = np.frombuffer(raw, np.uint8) > 127 if dtype.kind == "b" else np.frombuffer(raw, dtype)
    view = base[before : count - after].reshape(shape).transpose(draw(st.permutations(range(len(shape)))))
    return base, before, view


@given(st.dictionaries(st.text(max_size=3), views(), min_size=1, max_size=4), st.sampled_from(FORMS))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_tensors_are_read_to_the_bit(loaded, state, form):
    content = {
        name: tensor(
            storage(str(i), STORAGES[base.dtype.name], base.size, form),
            before,
            view.shape,
            tuple(stride // base.itemsize for stride in view.strides),
        )
        for i, (name, (base, before, view)) in enumerate(state.items())
    }
    stored = {str(i): base.tobytes() for i, (base, _, _) in enumerate(state.values())}
    lengths = {str(i): base.size for i, (base, _, _) in enumerate(state.values())}
    written = zip_form(mapping(content), stored) if form == "zip" else older_form(mapping(content), stored, lengths)
    expected = {
        name: view.astype(np.float32) if view.dtype == ml_dtypes.bfloat16 else view
        for name, (_, _, view) in state.items()
    }
    assert_same(loaded(written), expected)


# Damage

edits = st.lists(
    st.tuples(st.sampled_from(["change", "insert", "cut"]), st.floats(0, 1), st.binary(min_size=1, max_size=4)),
    min_size=1,
    max_size=4,
)
files = st.sampled_from([path.name for path in sorted(WRITTEN.glob("*.pth"))])


def edited(content, edits):
    for kind, where, piece in edits:
        at = int(where * len(content))
        kept = {"change": at + len(piece), "insert": at, "cut": at + 1 + sum(piece)}[kind]
        content = content[:at] + (b"" if kind == "cut" else piece) + content[kept:]
    return content


@given(files, edits)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_damaged_file_is_refused_or_read_and_nothing_else_happens(loaded, name, edits):
    assert_refused_or_read(loaded, edited((WRITTEN / name).read_bytes(), edits))


@given(files.filter(lambda name: "zip" in name), edits)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_so_is_a_damaged_pickle_in_an_intact_archive(loaded, name, edits):
    with zipfile.ZipFile(WRITTEN / name) as written:
        members = {member: written.read(member) for member in written.namelist()}
    members |= {member: edited(value, edits) for member, value in members.items() if member.endswith("data.pkl")}
    assert_refused_or_read(loaded, archive(members, zipfile.ZIP_STORED))


def assert_refused_or_read(loaded, content):
    try:
        state = loaded(content)
    except ValueError as error:
        assert "/a.pth" in str(error)
    else:
        assert all(len(array.tobytes()) == array.nbytes for array in state.values())


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_cut_anywhere_is_refused(loaded, form):
    content = (WRITTEN / f"module_{form}.pth").read_bytes()
    for size in range(1, len(content), 97):
        with pytest.raises(ValueError, match=r"/a\.pth is damaged or no PyTorch file of plain tensors: "):
            loaded(content[:size])


# What is no file of plain tensors


def held(value):
    """The zip form of a state dict of one value."""
    return zip_form(mapping({"a": value}), STORED)


def called(module, name, *arguments):
    return named(module, name) + row(*arguments) + b"R"


def with_flag(content, flag):
    """The archive with a flag of its only member."""
    at = content.index(b"PK\1\2") + 8
    return content[:at] + struct.pack("<H", flag) + content[at + 2 :]


def overlapping(content):
    """The archive with its second member where its first is."""
    second = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
    return content[: second + 42] + bytes(4) + content[second + 46 :]


NESTED = pickle.dumps({"a": 1}, 2)
A_MILLION = b"\x80\x02" + b"N" * 1_000_000 + b"."
MANY = b"N" * 1_000_000
ZEROS = bytes(1 << 24)
HOSTILE = {
    "os.system": (held(called("os", "system", text("true"))), r"names os\.system, which is no constructor"),
    "eval": (held(called("builtins", "eval", text("1"))), r"names builtins\.eval"),
    "eval of Python 2": (held(called("__builtin__", "eval", text("1"))), r"names __builtin__\.eval"),
    "getattr": (held(called("builtins", "getattr", PLAIN, text("__class__"))), r"names builtins\.getattr"),
    "nested pickle": (
        held(called("torch.storage", "_load_from_bytes", b"U" + bytes([len(NESTED)]) + NESTED)),
        r"names torch\.storage\._load_from_bytes",
    ),
    "eval in the older form": (older_form(called("os", "system", text("true")), {}, {}), r"names os\.system"),
    "eval among the storages' keys": (
        OLDER_FORM + pickled(mapping({})) + pickled(mapping({})) + pickled(named("os", "system")),
        r"names os\.system",
    ),
    "a pickle alone": (pickle.dumps({"a": 1}), "begins like neither the zip form nor the older form"),
    "complex numbers": (
        held(tensor(storage("0", "ComplexFloatStorage", 2), 0, (2,), (1,))),
        "names torch.ComplexFloat",
    ),
    "memo bomb": (OLDER_FORM + b"\x80\x02r\xff\xff\xff\xff.", "puts a value at 4294967295, beyond its opcodes"),
    "memo unset": (held(b"j\x00\x00\x00\x01"), "nothing was put at 16777216"),
    "LONG of 2 GB": (held(b"\x8b" + struct.pack("<I", 2**31 - 1)), "not enough data in stream to read long4"),
    "LONG of a million digits": (held(b"L" + b"9" * 1_000_000 + b"L\n"), "4300 digits"),
    "LONG4": (held(b"\x8b\x01\x00\x00\x00\x07"), "opcode LONG4, which no plain tensor needs"),
    "text of 4 GB": (held(b"X\xff\xff\xff\xff"), "expected 4294967295 bytes"),
    "bytes of 2**63": (held(b"\x8e" + b"\xff" * 7 + b"\x7f"), "expected 9223372036854775807 bytes"),
    "a line without end": (held(b"c" + b"x" * 1_000_000), "no newline found"),
    "a million opcodes": (zip_form(MANY, {}), "more than 150,000 opcodes"),
    "a million opcodes in the older form": (OLDER_FORM + A_MILLION, "more than 150,000 opcodes"),
    "opcodes of three pickles": (OLDER_FORM + 3 * (b"\x80\x02" + b"(" + b"N" * 100_000 + b"t."), "150,000 opcodes"),
    "a million marks": (zip_form(b"(" * 1_000_000, {}), "more than 150,000 opcodes"),
    "nested 120,000 times": (zip_form(b")" + b"\x85" * 120_000, {}), "holds a tuple; expected a state dict"),
    "lists within lists": (held(b"]" * 60_000 + b"a" * 59_999), r"more than tensors: 'a' \(list\)"),
    "dictionaries of one long list": (
        zip_form(ordered(b"](](" + text("a") + b"Neeq\x02") + named("collections", "OrderedDict") + b"h\x02\x85R", {}),
        r"calls collections\.OrderedDict with \(list\)",
    ),
    "INST": (held(b"(ios\nsystem\n"), "opcode INST"),
    "OBJ": (held(b"(" + named("collections", "OrderedDict") + b"o"), "opcode OBJ"),
    "NEWOBJ": (held(named("collections", "OrderedDict") + b")\x81"), "opcode NEWOBJ"),
    "NEWOBJ_EX": (held(named("collections", "OrderedDict") + b")}\x92"), "opcode NEWOBJ_EX"),
    "EXT1": (held(b"\x82\x01"), "opcode EXT1"),
    "EXT4": (held(b"\x84\x01\x00\x00\x00"), "opcode EXT4"),
    "STACK_GLOBAL": (held(text("os") + text("system") + b"\x93"), "opcode STACK_GLOBAL"),
    "PERSID": (held(b"P0\n"), "opcode PERSID"),
    "another protocol": (zip_form(b"\x80\x04}", {}), "protocol 4; torch.save writes 2"),
    "an unknown opcode": (held(b"\xff"), "unknown"),
    "a function called with other arguments": (
        held(called("torch._utils", "_rebuild_tensor", PLAIN)),
        r"calls torch\._utils\._rebuild_tensor with \(Storage\)",
    ),
    "tensors that are negated": (
        held(
            called(
                "torch._utils",
                "_rebuild_tensor_v2",
                PLAIN,
                b"K\x00",
                b"K\x04\x85",
                b"K\x01\x85",
                b"\x89",
                ordered(),
                mapping({"neg": b"\x88"}),
            )
        ),
        r"with \(Storage, 0, tuple, tuple, False, OrderedDict, dict\)",
    ),
    "a number called": (held(b"K\x01)R"), r"calls 1 with \(\)"),
    "a storage called": (held(named("torch", "FloatStorage") + b")R"), r"calls torch\.FloatStorage"),
    "BUILD of a tensor": (
        held(VECTOR + row(PLAIN, b"K\x00", b"K\x04\x85", b"K\x01\x85") + b"b"),
        r"attributes to a Tensor: \(Storage, 0, tuple, tuple\)",
    ),
    "BUILD of a plain dictionary": (zip_form(b"}" + mapping({"_metadata": b"}"}) + b"b", {}), "attributes to a dict"),
    "BUILD of other attributes": (
        zip_form(ordered() + mapping({"_metadata": b"}", "keys": b"N"}) + b"b", {}),
        "attributes to a OrderedDict",
    ),
    "keys that are nested tuples": (
        zip_form(b"}" + b")" + b"\x85" * 1000 + b"Ns", {}),
        r"key of a dictionary is \(tuple\)",
    ),
    "keys of one hash": (zip_form(b"}" + number(2**61 - 1) + b"Ns", {}), "key of a dictionary is 2305843009213693951"),
    "a key without value": (zip_form(b"}(" + text("a") + b"u", {}), "sets 1 keys and values"),
    "items of a list": (zip_form(b"]" + text("a") + b"Ns", {}), "keys and values of a list"),
    "APPEND to a tensor": (held(VECTOR + b"Na"), "appends to a Tensor"),
    "a stack that is empty": (zip_form(b"R", {}), "REDUCE finds too few values"),
    "a mark that is missing": (zip_form(b"Nt", {}), "TUPLE finds no mark"),
    "a value below a mark": (zip_form(b"N(\x85", {}), "TUPLE1 finds too few values"),
    "text that is not ASCII": (held(b"U\x01\xe9"), "text of Python 2 that is not ASCII"),
    "a module by persistent id": (
        held(row(text("module"), text("Net"), text("net.py"), text("")) + b"Q"),
        r"refers to \('module', 'Net', 'net\.py', ''\), which is no storage",
    ),
    "a number as persistent id": (held(b"K\x01Q"), "refers to 1, which is no storage"),
    "a storage of negative size": (held(tensor(storage("0", "FloatStorage", -4), 0, (0,), (1,))), "-4.*is no storage"),
    "a storage of huge size": (
        held(tensor(storage("0", "FloatStorage", 2**60), 0, (4,), (1,))),
        r"'a/data/0' has 16 bytes; expected 4611686018427387904",
    ),
    "a huge storage in the older form": (
        older_form(mapping({"a": tensor(storage("0", "FloatStorage", 2**60), 0, (4,), (1,))}), STORED, {"0": 2**60}),
        r"is cut: storage '0' of 4611686018427387904 bytes",
    ),
    "a storage of another length": (older_form(mapping({"a": VECTOR}), STORED, {"0": 3}), "has 3 elements; expected 4"),
    "a storage that is not there": (zip_form(mapping({"a": VECTOR}), {}), "'a/data/0' has None bytes; expected 16"),
    "a storage that is not listed": (older_form(mapping({"a": VECTOR}), {}, {}), "list of storages differs"),
    "a storage of two types": (
        zip_form(mapping({"a": VECTOR, "b": tensor(storage("0", "IntStorage", 4), 0, (4,), (1,))}), STORED),
        "disagree on storage '0'",
    ),
    "bytes that are no booleans": (
        zip_form(mapping({"a": tensor(storage("0", "BoolStorage", 1), 0, (1,), (1,))}), {"0": b"\x02"}),
        "bytes that are no booleans",
    ),
    "a size that is negative": (held(tensor(PLAIN, 0, (-1,), (1,))), "a size or a stride of a tensor is -1"),
    "a size that is huge": (held(tensor(PLAIN, 0, (2**60,), (0,))), f"is {2**60}"),
    "a stride that is negative": (held(tensor(PLAIN, 3, (4,), (-1,))), "is -1"),
    "an offset that is negative": (held(tensor(PLAIN, -1, (4,), (1,))), "is -1"),
    "a size that is text": (
        held(called("torch._utils", "_rebuild_tensor", PLAIN, b"K\x00", text("4") + b"\x85", b"K\x01\x85")),
        "is '4'",
    ),
    "a stride beyond the storage": (held(tensor(PLAIN, 0, (2, 2), (3, 1))), "beyond its storage '0' of 4 elements"),
    "an offset beyond the storage": (held(tensor(PLAIN, 5, (0,), (1,))), "beyond its storage"),
    "sizes that overflow": (held(tensor(PLAIN, 0, (0, 2**47, 2**47), (1, 1, 1))), "array"),
    "too many dimensions": (held(tensor(PLAIN, 0, (1,) * 9, (1,) * 9)), "9 sizes and 9 strides"),
    "fewer strides than sizes": (held(tensor(PLAIN, 0, (2, 2), (1,))), "2 sizes and 1 strides"),
    "numbers repeated without end": (held(tensor(PLAIN, 0, (2**25,), (0,))), "repeat their numbers to 33,554,432"),
    "another byte order": (zip_form(mapping({"a": VECTOR}), STORED, byteorder=b"big"), "not little-endian"),
    "another byte order in the older form": (
        older_form(mapping({"a": VECTOR}), STORED, {"0": 4}, system=b"\x89"),
        "not little-endian",
    ),
    "members that are compressed": (
        zip_form(
            mapping({"a": tensor(storage("0", "ByteStorage", len(ZEROS)), 0, (4,), (1,))}), {"0": ZEROS}, compression=8
        ),
        "is compressed, which torch's are not",
    ),
    "members that overlap": (overlapping(zip_form(mapping({"a": VECTOR}), STORED)), "overlap or are cut"),
    "a directory of 5 MB": (
        b"PK" + bytes(5_000_000 - 2) + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 5_000_000, 0, 0),
        "directory claims 5,000,000 bytes",
    ),
    "another archive": (archive({"a/code.py": b""}, 0), "0 members NAME/data.pkl; expected one"),
    "a pickle of 5 MB": (zip_form(text("x" * 5_000_000), {}), "are read at most"),
}


IN_ARCHIVES = {
    "zip bomb": (archive({"a.pth": bytes(1 << 26)}), "67,108,864 bytes, over 10 times those of the archive"),
    "bzip2 bomb": (archive({"a.pth": bytes(1 << 20)}, zipfile.ZIP_BZIP2), "neither stored nor deflated"),
    "archive of an archive": (archive({"a.pth": archive({"a.pth": held(VECTOR)}, 0)}, 0), "0 members NAME/data.pkl"),
    "code": (archive({"a.pth": HOSTILE["os.system"][0]}, 0), r"names os\.system"),
    "two files": (archive({"a.pth": b"", "b.pth": b""}), r"holds a\.pth, b\.pth; expected one \.pth file"),
    "encrypted": (with_flag(archive({"a.pth": b"x"}, 0), 1), "is encrypted"),
    "changed": (archive({"a.pth": held(VECTOR)}, 0).replace(FOUR.tobytes(), bytes(16)), "Bad CRC-32"),
}


@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_plain_tensor_is_refused_by_name(loaded, content, message):
    with pytest.raises(ValueError, match=rf"/a\.pth is damaged or no PyTorch file of plain tensors: .*{message}"):
        loaded(content)


@pytest.mark.parametrize(("content", "message"), IN_ARCHIVES.values(), ids=IN_ARCHIVES.keys())
def test_so_is_what_is_in_archives(loaded, content, message):
    with pytest.raises(ValueError, match=rf"/a\.pth\.zip is damaged or no .*{message}"):
        loaded(content, ".pth.zip")


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is Linux's VmHWM")
def test_refusing_takes_little_memory(tmp_path):
    for suffix, corpus in ((".pth", HOSTILE), (".pth.zip", IN_ARCHIVES)):
        for i, (content, _) in enumerate(corpus.values()):
            (tmp_path / f"{i}{suffix}").write_bytes(content)
    code = """
import pathlib, re, sys
from cnn_evolution.pretrained import load_state_dict

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])

before, refused = peak(), 0
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        load_state_dict(path)
    except ValueError:
        refused += 1
print(refused, peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    refused, growth = map(int, done.stdout.split())
    assert refused == len(HOSTILE) + len(IN_ARCHIVES) and growth < 200 * 1024


@pytest.mark.parametrize("form", FORMS)
def test_torch_reads_what_these_tests_write(tmp_path, form):
    torch = pytest.importorskip("torch")
    stored = storage("0", "FloatStorage", 4, form)
    content = mapping({"a": tensor(stored, 0, (4,), (1,)), "b": tensor(stored, 1, (2, 1), (1, 5))})
    path = tmp_path / "a.pth"
    path.write_bytes(zip_form(content, STORED) if form == "zip" else older_form(content, STORED, {"0": 4}))
    read = torch.load(path, weights_only=True)
    assert_same({name: value.numpy() for name, value in read.items()}, load_state_dict(path))
