"""State dicts in files: names to arrays, as PyTorch's zoos publish them.

`.safetensors` and `.npz` hold nothing but arrays. `.pth` and `.pt` are PyTorch's; see `torch_files` for how they are
read without it. `.pth.zip` is one such file in a zip archive, which is how pytorchcv ships its weights.
"""

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from cnn_evolution.files import replacing
from cnn_evolution.needed import needed_for
from cnn_evolution.pretrained.torch_files import CHUNK, DAMAGED, open_archive, read_torch

StateDict = dict[str, np.ndarray]
_MOST_INFLATED = 10  # times the size of a .pth.zip: what its content may have


def load_state_dict(path: Path | str) -> StateDict:
    """Reads a state dict; its suffix says how.

    Raises:
      FileNotFoundError: There is no such file.
      ValueError: The suffix is unknown, the file is empty or damaged, or it holds something else; says what.
    """
    path = Path(path)
    read = _reader(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no weights file {path}")
    if path.stat().st_size == 0:
        raise ValueError(f"the weights file {path} is empty")
    state_dict = read(path)
    if not state_dict:
        raise ValueError(f"{path} holds no arrays; expected a state dict, which maps names to arrays")
    return state_dict


def save_state_dict(path: Path | str, state_dict: Mapping[str, np.ndarray]) -> None:
    """Writes a state dict as `.safetensors` or `.npz`, whole or not at all.

    Raises:
      ValueError: The suffix is neither, there is nothing to write, or the format cannot hold an array's type.
      OSError: The directory cannot be written; what was there stays as it was.
    """
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise ValueError(f"cannot write weights as {path.name!r}; expected one of {', '.join(_WRITERS)}")
    if not state_dict:
        raise ValueError(f"there are no arrays to write to {path}")
    arrays = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in state_dict.items()}
    for name, array in arrays.items():
        # What is no number of NumPy's own would be read back as raw bytes, or not at all.
        if array.dtype.kind not in "biufc" and (path.suffix, array.dtype.name) != (".safetensors", "bfloat16"):
            raise ValueError(f"{name} is {array.dtype}, which {path.suffix} cannot hold; convert it to float32, say")
    with replacing(path) as temporary:
        _WRITERS[path.suffix](temporary, arrays)


def _reader(path: Path) -> Callable[[Path], StateDict]:
    for suffix, read in _READERS.items():
        if path.name.endswith(suffix):
            return read
    raise ValueError(f"cannot read weights from {path.name!r}; expected one of {', '.join(_READERS)}")


def _read_safetensors(path: Path) -> StateDict:
    with needed_for(f"reading {path.name}"):
        import safetensors
        import safetensors.numpy

    try:
        return safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from error


def _read_npz(path: Path) -> StateDict:
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged or no .npz file of plain arrays: {error}") from error


def _read_torch(path: Path) -> StateDict:
    with path.open("rb") as file:
        return _torch(path, file)


def _read_torch_zip(path: Path) -> StateDict:
    with path.open("rb") as file, tempfile.TemporaryFile() as content:
        try:
            with open_archive(file) as archive:
                member = archive.getinfo(only_member(archive))
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(f"{member.filename} is neither stored nor deflated")
                if member.file_size > _MOST_INFLATED * path.stat().st_size:
                    raise ValueError(
                        f"{member.filename} has {member.file_size:,} bytes, over {_MOST_INFLATED} times those of the "
                        "archive; weights hardly shrink"
                    )
                with archive.open(member) as packed:
                    shutil.copyfileobj(packed, content, CHUNK)
        except DAMAGED as error:
            raise ValueError(f"{path} is damaged or no zip archive of a PyTorch file: {error}") from error
        content.seek(0)
        return _torch(path, content)


def only_member(archive: zipfile.ZipFile) -> str:
    """The name of the one `.pth` file in an archive.

    Raises:
      ValueError: It holds something else.
    """
    names = archive.namelist()
    if len(names) != 1 or not names[0].endswith(".pth"):
        raise ValueError(f"it holds {', '.join(names[:5]) or 'nothing'}; expected one .pth file")
    return names[0]


def _torch(path: Path, file: IO[bytes]) -> StateDict:
    """The state dict in `file`; `path` is for messages."""
    try:
        return read_torch(file)
    except DAMAGED as error:
        raise ValueError(f"{path} is damaged or no PyTorch file of plain tensors: {error}") from error


def _write_safetensors(path: Path, arrays: StateDict) -> None:
    with needed_for("writing .safetensors"):
        import safetensors.numpy

    safetensors.numpy.save_file(arrays, path)


def _write_npz(path: Path, arrays: StateDict) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


_READERS: dict[str, Callable[[Path], StateDict]] = {
    ".safetensors": _read_safetensors,
    ".npz": _read_npz,
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".pth.zip": _read_torch_zip,
}
_WRITERS: dict[str, Callable[[Path, StateDict], None]] = {".safetensors": _write_safetensors, ".npz": _write_npz}
SUFFIXES = tuple(_READERS)
