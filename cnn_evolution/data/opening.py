"""Data sets by name: mini_ilsvrc, any classification set that TFDS prepared, a folder of images.

A TFDS data set is read without its builder's code, without TensorFlow and without the network: from the ArrayRecord
files under `data_dir/name/[config/]version`. Only `mini_ilsvrc` is made on first use. From object storage the files are
copied first.
"""

import difflib
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cnn_evolution.addresses import address_of, copying
from cnn_evolution.data.sources import ImageSource, first_few
from cnn_evolution.data.storage import Stored
from cnn_evolution.files import cache_dir
from cnn_evolution.needed import needed_for

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"})
_IMAGENET = re.compile(r"imagenet2012(_short(\d+))?")  # as `data/imagenet` prepares it
_logger = logging.getLogger(__name__)


def default_data_dir() -> Path:
    """$CNN_EVOLUTION_DATA, or ~/.cache/cnn_evolution."""
    return cache_dir("CNN_EVOLUTION_DATA")


def open_source(name: str, split: str, *, data_dir: Path | str | None = None, label: str = "label") -> ImageSource:
    """Opens a split of a data set.

    Args:
        name: `mini_ilsvrc` (built on first use; `mini_ilsvrc/tiny` is a small one for tests), a TFDS data set with its
            config where it has several (`imagenet2012`, `imagenette/full-size-v2`), `imagefolder` for
            data_dir/split/class/*.jpg, or the path of a directory that TFDS prepared.
        split: `train`, `validation`, ...; of a TFDS data set also a part or a sum of splits, as in `train[:90%]`.
        data_dir: Where data sets lie; by default $CNN_EVOLUTION_DATA or ~/.cache/cnn_evolution. Of an address in object
            storage (gs://bucket/x, s3://bucket/x), the split's files are copied under that default place.
        label: The feature that is the label; `shape` or `texture` of mini_ilsvrc's `cue_conflict`.

    Raises:
        ValueError: no such data set, split or label, or one without images or labels; the message names the choices.
        FileNotFoundError: the data set is not prepared under `data_dir`; the message says how to prepare it.
        OSError: mini_ilsvrc cannot be written to `data_dir`; or storage cannot be read or has no room for its copy.
        ModuleNotFoundError: the package for such an address is not installed.
    """
    if (address := address_of(name)) is not None:
        raise ValueError(f"the data set {address} is an address; name the data set, and give the address as data_dir")
    if data_dir is not None and (address := address_of(data_dir)) is not None:
        return _open_stored(address, name, split, label)
    root = Path(data_dir).expanduser() if data_dir is not None else default_data_dir()
    if name == "imagefolder":
        return _open_folder(root, split)
    if name == "mini_ilsvrc" or name.startswith("mini_ilsvrc/"):
        return _open_tfds(name, _mini_ilsvrc(name, root), split, label)
    path = Path(name).expanduser()
    if (path / "features.json").is_file():
        return _open_tfds(name, path, split, label)
    if path.is_absolute() or name.startswith((".", "~")):
        raise FileNotFoundError(
            f"{name!r} is not a directory prepared by TFDS (it has no features.json). For images in folders by split "
            f"and class, use the data set 'imagefolder' with data_dir={name!r}."
        )
    return _open_tfds(name, _prepared_directory(name, root), split, label)


def _open_stored(address: str, name: str, split: str, label: str) -> ImageSource:
    if name == "imagefolder":
        raise ValueError(
            f"data_dir {address}: the files of an image folder are not read from storage. Copy them to a disk of this "
            f"machine, {copying(address, 'DIRECTORY')}, and give that directory as data_dir."
        )
    stored = Stored(address, default_data_dir() / "copies" / address.replace("://", "/"))
    stored.copy_descriptions(name.partition("/")[0])
    return _open_tfds(name, _prepared_directory(name, stored.local), split, label, stored)


def _mini_ilsvrc(name: str, root: Path) -> Path:
    """The directory of mini_ilsvrc, built if it is not there."""
    with needed_for("building mini_ilsvrc"):
        from cnn_evolution.data.mini_ilsvrc import builder  # imports TFDS

    config = name.partition("/")[2] or "full"
    configs = [config.name for config in builder.MiniIlsvrc.BUILDER_CONFIGS]
    if config not in configs:
        raise ValueError(f"unknown data set {name!r}; valid are {', '.join(f'mini_ilsvrc/{c}' for c in configs)}")
    directory = root / "mini_ilsvrc" / config / str(builder.MiniIlsvrc.VERSION)
    if not directory.is_dir():
        try:
            builder.build(root, config)
        except OSError as error:
            raise OSError(
                f"mini_ilsvrc cannot be built in {root}: {error}. Choose another place with data_dir or the "
                "environment variable CNN_EVOLUTION_DATA."
            ) from error
    return directory


def _prepared_directory(name: str, root: Path) -> Path:
    """data_dir/name/[config/]version with the newest version."""
    name, _, config = name.partition("/")
    if not (root / name).is_dir():
        _check_known(name)
    candidates = [file.parent for depth in ("*", "*/*") for file in (root / name).glob(f"{depth}/features.json")]
    found = sorted(
        (path for path in candidates if re.fullmatch(r"\d+\.\d+\.\d+", path.name)),
        key=lambda path: tuple(map(int, path.name.split("."))),
    )
    configs = sorted({path.parent.name for path in found if path.parent != root / name})
    if config:
        found = [path for path in found if path.parent.name == config or path.name == config]
    elif len(configs) > 1:
        choices = ", ".join(f"{name}/{c}" for c in configs)
        raise ValueError(f"{name!r} is prepared in several configurations in {root}; choose one of {choices}")
    if not found:
        wanted = f"{name}/{config}" if config else name
        raise FileNotFoundError(f"no prepared data set {wanted!r} in {root}. {_how_to_prepare(wanted, root)}")
    return found[-1]


def _check_known(name: str) -> None:
    with needed_for("prepared data sets"):
        import tensorflow_datasets as tfds

    known = ["mini_ilsvrc", "imagefolder", *tfds.list_builders(with_community_datasets=False)]
    if name not in known and not _IMAGENET.fullmatch(name):
        nearest = difflib.get_close_matches(name, known, n=5)
        hint = f"did you mean {', '.join(nearest)}? " if nearest else ""
        raise ValueError(
            f"unknown data set {name!r}: {hint}Valid are 'mini_ilsvrc', 'imagefolder', the names of TFDS "
            "(https://www.tensorflow.org/datasets/catalog) and the paths of directories that TFDS prepared."
        )


def _how_to_prepare(name: str, root: Path) -> str:
    if match := _IMAGENET.fullmatch(name):
        short_side = f" --short-side {match[2]}" if match[2] else ""
        way = (
            f"python -m experiments.prepare_imagenet --tarballs DIRECTORY --data-dir {root}{short_side}, where "
            "DIRECTORY holds ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from image-net.org"
        )
    else:
        command = f"tfds build {name} --file_format=array_record --data_dir={root}"
        way = f"pip install 'cnn_evolution[prepare]', then {command}"
    return f"Prepare it once: {way}. If it is prepared elsewhere, give that place as data_dir."


def _how_to_convert(directory: Path) -> str:
    if directory.parent.name == "imagenet2012":
        return f"pip install crc32c, then python -m experiments.prepare_imagenet --data-dir {directory.parent.parent}"
    command = f"tfds convert_format --dataset_version_dir={directory} --out_file_format=array_record"
    return f"pip install 'cnn_evolution[prepare]', then {command}"


class _TfdsRecords:
    """Records of serialised `tf.train.Example`s, of which it reads two features: 10 us instead of TFDS's own 41."""

    on_disk = True

    def __init__(self, data_source: Sequence[bytes], label: str, identity: Any) -> None:
        self._data_source, self._label, self.identity = data_source, label, identity

    def __len__(self) -> int:
        return len(self._data_source)

    def __getitem__(self, index: int) -> tuple[bytes, int]:
        from tensorflow_datasets.proto import tf_example_pb2

        features = tf_example_pb2.Example.FromString(self._data_source[index]).features.feature
        return features["image"].bytes_list.value[0], features[self._label].int64_list.value[0]


def _open_tfds(name: str, directory: Path, split: str, label: str, stored: Stored | None = None) -> ImageSource:
    with needed_for("prepared data sets"):
        import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(directory)
    features = dict(sorted(builder.info.features.items()))  # TFDS reads them back in any order
    labels = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    if not isinstance(features.get("image"), tfds.features.Image) or not labels:
        raise ValueError(
            f"{name!r} is no image classification data set: expected the features 'image' and 'label', "
            f"it has {', '.join(map(repr, features))}"
        )
    if label not in labels:
        raise ValueError(f"{name!r} has no label {label!r}; valid are {', '.join(map(repr, labels))}")
    for part in split.split("+"):
        if part.partition("[")[0].strip() not in builder.info.splits:
            raise ValueError(f"unknown split {split!r} of {name!r}; valid are {', '.join(builder.info.splits)}")
    if not any(file_format.value == "array_record" for file_format in builder.info.available_file_formats()):
        where, how = str(directory), f"Convert it once: {_how_to_convert(directory)}"
        if stored is not None:
            where = f"{stored.address}/{directory.relative_to(stored.local)}"
            how = f"Convert a copy of it, {copying(where, 'DIRECTORY')}, and copy that to storage."
        raise ValueError(f"{where} holds {builder.info.file_format.value} files, expected array_record. {how}")
    if stored is not None:
        stored.copy(directory, sorted(builder.info.splits[split].filenames))
    # The files stay encoded: the reader decodes them, and only the part that it needs.
    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    data_source = builder.as_data_source(split, deserialize_method=raw, file_format="array_record")
    splits = {key: [list(info.shard_lengths), info.num_bytes] for key, info in sorted(builder.info.splits.items())}
    records = _TfdsRecords(data_source, label, [builder.info.full_name, label, splits])
    if len(records) == 0:
        raise ValueError(f"split {split!r} of {name!r} is empty")
    if records[0][1] < 0:
        others = [key for key in labels if key != label]
        hint = f"; other labels are {', '.join(map(repr, others))}" if others else ""
        raise ValueError(f"split {split!r} of {name!r} has no {label!r} (its first is -1){hint}")
    return ImageSource(name, split, records, tuple(features[label].names))


class _FolderRecords:
    on_disk = True

    def __init__(self, root: Path, files: Sequence[tuple[Path, int]]) -> None:
        self._root, self._files = root, files

    @property
    def identity(self) -> Any:
        return [[str(path.relative_to(self._root)), path.stat().st_size] for path, _ in self._files]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[bytes, int]:
        path, label = self._files[index]
        return path.read_bytes(), label

    def path(self, index: int) -> Path:
        return self._files[index][0]

    def relative_path(self, index: int) -> str:
        return self.path(index).relative_to(self._root).as_posix()


def _open_folder(root: Path, split: str) -> ImageSource:
    """root/split/class/**/*.jpg; labels number the sorted class names of all splits.

    As in torchvision's ImageFolder, but hidden files and directories, and those that systems leave behind, do not
    count. What else is left out or surprising is logged.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"data_dir {root} is not a directory; expected images in data_dir/split/class/*.jpg")
    splits = _directories(root)
    if split not in splits:
        choices = ", ".join(splits) if splits else "none, since it has no directories"
        raise ValueError(f"unknown split {split!r} of the image folder {root}; valid are {choices}")
    classes_of = {one: _directories(root / one) for one in splits}
    splits_of = Counter(name for classes in classes_of.values() for name in classes)
    names = sorted(splits_of)
    found = [(path, label) for label, name in enumerate(names) for path in _files_in(root / split / name)]
    files = [(path, label) for path, label in found if _is_image(path)]
    if not files:
        raise ValueError(f"no images in {root / split}; expected {root / split}/class/*.jpg")
    others = [path for path, _ in found if not _is_image(path)]
    _say(f"{len(others)} files in {root / split} are no images by their names", [str(path) for path in others])
    empty = sorted(set(range(len(names))) - {label for _, label in files})
    _say(f"{len(empty)} classes have no image in {root / split}", [names[label] for label in empty])
    for one, classes in classes_of.items() if len(splits) > 1 else ():
        alone = [name for name in classes if splits_of[name] == 1]
        _say(f"{len(alone)} classes of {root} are in the split {one} only", alone)
    if all(name.isdecimal() for name in names) and names != sorted(names, key=int):
        _logger.warning(
            "the class names in %s are numbers, but labels follow them as words: %s", root, first_few(names)
        )
    return ImageSource("imagefolder", split, _FolderRecords(root, files), tuple(names))


def image_files(directory: Path) -> list[Path]:
    """The images at any depth by their names, in the order of `imagefolder`; how many files are none is logged.

    Raises:
        ValueError: there are none.
    """
    files = list(_files_in(directory))
    images = [path for path in files if _is_image(path)]
    if not images:
        raise ValueError(f"no images in {directory}; expected files that end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    others = [str(path) for path in files if not _is_image(path)]
    _say(f"{len(others)} files in {directory} are no images by their names", others)
    return images


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _directories(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir() if one.is_dir() and not _left_behind(one.name))


def _files_in(directory: Path) -> Iterator[Path]:
    """Files at any depth, in torchvision's order."""
    for path, _, names in sorted(os.walk(directory, followlinks=True)):
        if not any(map(_left_behind, Path(path).relative_to(directory).parts)):
            yield from (Path(path) / name for name in sorted(names) if not _left_behind(name))


def _left_behind(name: str) -> bool:
    """Whether a file or directory is one that systems and tools leave behind."""
    return name.startswith(".") or name in {"__MACOSX", "Thumbs.db", "desktop.ini", "lost+found"}


def _say(what: str, names: Sequence[str]) -> None:
    if names:
        _logger.warning("%s: %s", what, first_few(names))
