"""State dicts in files."""

import builtins
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
        (".pth.zip", b"no archive"),
    ],
    ids=["text", "npz", "text", "cut", "changed", "npy", "objects", "pickle", "text"],
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


class Trap:
    """A pickle of it runs code when it is read carelessly."""

    def __reduce__(self):
        return exec, ("raise AssertionError('the pickle was run')",)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".pth.zip"])
def test_without_torch_its_files_are_refused_unread_with_the_way_out(tmp_path, suffix, monkeypatch):
    content = pickle.dumps(Trap())
    path = tmp_path / f"a{suffix}"
    if suffix == ".pth.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.pth", content)
    else:
        path.write_bytes(content)
    imported = builtins.__import__

    def without_torch(name, *arguments, **keywords):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'")
        return imported(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    with pytest.raises(ModuleNotFoundError, match=r"pip install torch.*safetensors\.torch\.save_file"):
        load_state_dict(path)


def test_an_archive_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match=r"holds readme\.txt; expected one \.pth file"):
        load_state_dict(tmp_path / "a.pth.zip")


class TestWithTorch:
    """What torch reads; these run where it is installed."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.fixture
    def tensors(self, torch):
        return {name: torch.from_numpy(array.copy()) for name, array in STATE.items()}

    @pytest.mark.parametrize("new_format", [True, False])
    def test_a_pth_file_is_read(self, torch, tensors, tmp_path, new_format):
        torch.save(tensors, tmp_path / "a.pth", _use_new_zipfile_serialization=new_format)
        assert equal(load_state_dict(tmp_path / "a.pth"), STATE)

    def test_a_zipped_pth_file_is_read(self, torch, tensors, tmp_path):
        torch.save(tensors, tmp_path / "a.pth")
        with zipfile.ZipFile(tmp_path / "a.pth.zip", "w") as archive:
            archive.write(tmp_path / "a.pth", "a.pth")
        assert equal(load_state_dict(tmp_path / "a.pth.zip"), STATE)

    def test_bfloat16_becomes_float32(self, torch, tmp_path):
        torch.save({"a": torch.tensor([1.5, -2.0], dtype=torch.bfloat16)}, tmp_path / "a.pt")
        loaded = load_state_dict(tmp_path / "a.pt")["a"]
        assert loaded.dtype == np.float32 and loaded.tolist() == [1.5, -2.0]

    def test_parameters_are_read(self, torch, tmp_path):
        torch.save(torch.nn.Linear(2, 3).state_dict(), tmp_path / "a.pth")
        assert load_state_dict(tmp_path / "a.pth")["weight"].shape == (3, 2)

    def test_a_pickle_with_code_is_not_run(self, torch, tmp_path):
        (tmp_path / "a.pth").write_bytes(pickle.dumps(Trap()))
        with pytest.raises(ValueError, match="is damaged or no PyTorch file of plain tensors"):
            load_state_dict(tmp_path / "a.pth")

    def test_a_whole_training_checkpoint_is_refused_by_what_it_holds(self, torch, tensors, tmp_path):
        torch.save({"epoch": 3, "model": tensors}, tmp_path / "a.pth")
        with pytest.raises(ValueError, match=r"more than tensors: 'epoch' \(int\), 'model' \(dict\)"):
            load_state_dict(tmp_path / "a.pth")

    def test_something_else_is_named(self, torch, tmp_path):
        torch.save([1, 2], tmp_path / "a.pth")
        with pytest.raises(ValueError, match="holds a list; expected a state dict"):
            load_state_dict(tmp_path / "a.pth")
