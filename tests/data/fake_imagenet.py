"""A small fake ImageNet: tar files laid out as those of image-net.org, and the data set that is prepared from them.

From the command line: python tests/data/fake_imagenet.py DIRECTORY [--train 64] [--validation 50]
"""

import argparse
import dataclasses
import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource
from PIL import Image
from tensorboardX.record_writer import RecordWriter
from tensorflow_datasets.datasets.imagenet2012.imagenet2012_dataset_builder import CMYK_IMAGES, PNG_IMAGES

from cnn_evolution.data.imagenet.preparing import prepare
from cnn_evolution.data.imagenet.tarballs import OFFICIAL, Archive
from cnn_evolution.pretrained.classes import classes_of

TRAIN, VALIDATION = OFFICIAL


def jpeg(height: int, width: int, seed: int, mode: str = "RGB", quality: int = 90) -> bytes:
    """A photograph-like JPEG file: smooth noise with some fine noise; 100 kB at 417 x 479."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
    fine = rng.integers(-24, 25, (height, width, 1))
    pixels = np.clip(np.asarray(coarse).astype(int) + fine, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", quality=quality)
    return file.getvalue()


def png(height: int, width: int, seed: int) -> bytes:
    """A PNG file of noise."""
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _file(index: int, seed: int) -> bytes:
    """Mostly ordinary files; among the first ten one of each odd kind that a copy of ImageNet may hold."""
    rng = np.random.default_rng(seed)
    match index:
        case 2:
            return jpeg(333, 500, seed, mode="L")
        case 4:
            return jpeg(300, 400, seed, mode="CMYK")
        case 6:
            return png(180, 240, seed)
        case 7:
            return jpeg(56, 75, seed)
        case 8:
            return jpeg(90, 1200, seed)
        case _:
            return jpeg(int(rng.integers(333, 501)), int(rng.integers(375, 583)), seed)


def official_kinds() -> dict[str, bytes]:
    """Training images by name: of each of the 1000 classes a tiny one, and the odd ones that ImageNet holds.

    The 22 CMYK files and the PNG file have their names in ImageNet. Besides there are a grey, a large and a very small
    file.
    """
    tiny = jpeg(12, 16, seed=0, quality=30)
    files = {f"{wnid}_1.JPEG": _with_comment(tiny, wnid) for wnid in classes_of("imagenet2012").wnids}
    files |= {name: jpeg(40, 50, seed, mode="CMYK") for seed, name in enumerate(CMYK_IMAGES)}
    files |= {name: png(30, 40, seed=1) for name in PNG_IMAGES}
    return files | {
        "n01440764_2.JPEG": jpeg(50, 40, seed=2, mode="L"),
        "n01440764_3.JPEG": jpeg(700, 900, seed=3),
        "n15075141_2.JPEG": jpeg(1, 1, seed=4),
    }


def _with_comment(data: bytes, text: str) -> bytes:
    """The same picture in other bytes: with a comment segment after the first marker."""
    return data[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text.encode() + data[2:]


def write_tarballs(directory: Path, train: dict[str, bytes], validation: list[bytes]) -> tuple[Archive, ...]:
    """Writes the two tar files of image-net.org with other images, and returns what they are.

    Args:
        directory: Where to.
        train: Files by their names, which begin with their class: n01440764_18.JPEG.
        validation: Files, which are numbered.
    """
    directory.mkdir(parents=True, exist_ok=True)
    synsets: dict[str, dict[str, bytes]] = {}
    for name, data in train.items():
        synsets.setdefault(name.partition("_")[0], {})[name] = data
    numbered = {f"ILSVRC2012_val_{number:08d}.JPEG": data for number, data in enumerate(validation, start=1)}
    contents = {
        TRAIN: _tar((f"{wnid}.tar", _tar(files.items())) for wnid, files in sorted(synsets.items())),
        VALIDATION: _tar(numbered.items()),
    }
    for archive, data in contents.items():
        (directory / archive.name).write_bytes(data)
    return tuple(
        dataclasses.replace(archive, images=count, size=len(data), md5=hashlib.md5(data).hexdigest())
        for (archive, data), count in zip(contents.items(), (len(train), len(validation)), strict=True)
    )


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(mode="w", fileobj=content, format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


def write_fake_imagenet(directory: Path | str, train: int = 64, validation: int = 50) -> Path:
    """Prepares `imagenet2012` under `directory` with that many images a split, and returns `directory`."""
    directory, wnids = Path(directory), classes_of("imagenet2012").wnids
    files = {f"{wnids[index * 617 % 1000]}_{index}.JPEG": _file(index, seed=index) for index in range(train)}
    numbered = [_file(index, seed=1_000_000 + index) for index in range(validation)]
    archives = write_tarballs(directory / "tarballs", files, numbered)
    prepare(directory / "tarballs", directory, archives)
    return directory


def records(directory: Path, split: str) -> list[bytes]:
    """The records of a split of a prepared data set, in order."""
    source = ArrayRecordDataSource(sorted(str(path) for path in directory.glob(f"*-{split}.array_record-*")))
    return [source[index] for index in range(len(source))]


def tfrecord_copy(directory: Path, data_dir: Path) -> Path:
    """A prepared data set again, in `data_dir/name/version`, as if TFDS had written TFRecord files."""
    copy = data_dir / directory.parent.name / directory.name
    copy.mkdir(parents=True)
    for split in ("train", "validation"):
        (path,) = directory.glob(f"*-{split}.array_record-*")  # one, of so small a data set
        writer = RecordWriter(str(copy / path.name.replace("array_record", "tfrecord")))
        for record in records(directory, split):
            writer.write(record)
        writer.close()
    for path in (*directory.glob("*.json"), *directory.glob("*.txt")):
        (copy / path.name).write_text(path.read_text().replace("array_record", "tfrecord"))
    return copy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--train", type=int, default=64)
    parser.add_argument("--validation", type=int, default=50)
    arguments = parser.parse_args()
    write_fake_imagenet(arguments.directory, arguments.train, arguments.validation)
    print(f"imagenet2012 in {arguments.directory}")
