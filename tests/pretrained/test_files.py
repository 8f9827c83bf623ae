"""State dicts in files."""

import io
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest

from cnn_evolution.pretrained import load_state_dict, save_state_dict

STATE = {
    "conv.weight": np.random.default_rng(0).standard_normal((4, 3, 2, 2)).astype(np.float32),
    "fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T,  # not contiguous
    "bn.num_batches_tracked": np.array(7),
}


def equal(a, b):
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_what_is_saved_is_loaded_to_the_bit(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save_state_dict(path, STATE)
    assert equal(load_state_dict(str(path)), STATE)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save_state_dict(path, STATE)
    before = path.read_bytes()
    with pytest.raises(Exception, match=r"(?i)object"):
        save_state_dict(path, {"a": np.zeros(3), "b": np.array([object()])})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.int4, "U3", "M8[s]"])
@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_nothing_is_written_that_would_not_come_back(tmp_path, suffix, dtype):
    path, state = tmp_path / f"a{suffix}", {"a": np.zeros(3), "fc.bias": np.zeros(3, dtype)}
    if (suffix, dtype) == (".safetensors", ml_dtypes.bfloat16):
        save_state_dict(path, state)
        assert equal(load_state_dict(path), state)
        return
    with pytest.raises(ValueError, match=rf"fc\.bias is .*, which \{suffix} cannot hold; convert it to float32"):
        save_state_dict(path, state)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["weights.pth", "weights", "weights.h5"])
def test_only_formats_without_code_are_written(tmp_path, name):
    with pytest.raises(ValueError, match=r"expected one of \.safetensors, \.npz"):
        save_state_dict(tmp_path / name, STATE)


def test_nothing_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="no arrays to write"):
        save_state_dict(tmp_path / "a.npz", {})


@pytest.mark.parametrize("name", ["weights.h5", "weights", "weights.tar", "weights.zip"])
def test_an_unknown_suffix_is_named_with_those_that_are_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=rf"'{name}'; expected one of \.safetensors, \.npz, \.pth, \.pt, \.pth\.zip"):
        load_state_dict(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no weights file .*/a\.npz"):
        load_state_dict(tmp_path / "a.npz")


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def single_array():
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth", ".pth.zip"])
def test_an_empty_file_is_named(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"")
    with pytest.raises(ValueError, match=rf"/a{suffix} is empty"):
        load_state_dict(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".safetensors", b"no tensors at all"),
        (".safetensors", npz(a=np.zeros(3))),
        (".npz", b"no arrays at all"),
        (".npz", npz(a=np.zeros(3))[:-40]),
        (".npz", npz(a=np.zeros(100)).replace(b"\0" * 400, b"\1" * 400)),
        (".npz", single_array()),
        (".npz", npz(a=np.array([{}], dtype=object))),
        (".npz", pickle.dumps({"a": 1})),
        (".pth", b"no pickle"),
        (".pt", pickle.dumps({"a": 1})),
        (".pth.zip", b"no archive"),
    ],
    ids=["text", "npz", "text", "cut", "changed", "npy", "objects", "pickle", "text", "pickle", "text"],
)
def test_a_damaged_file_or_one_of_another_kind_is_named(tmp_path, suffix, content):
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(ValueError, match=rf"/a{suffix} is damaged or no"):
        load_state_dict(tmp_path / f"a{suffix}")


def test_a_cut_safetensors_file_is_named(tmp_path):
    path = tmp_path / "a.safetensors"
    save_state_dict(path, STATE)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="is damaged"):
        load_state_dict(path)


def test_a_file_without_arrays_is_no_state_dict(tmp_path):
    (tmp_path / "a.npz").write_bytes(npz())
    with pytest.raises(ValueError, match="holds no arrays; expected a state dict"):
        load_state_dict(tmp_path / "a.npz")


def test_an_archive_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match=r"holds readme\.txt; expected one \.pth file"):
        load_state_dict(tmp_path / "a.pth.zip")
