"""The tar files of image-net.org: what they must be, and where in them each image lies."""

import hashlib
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cnn_evolution.data.imagenet.reports import Report

_BLOCK = 1 << 23  # bytes read at once


@dataclass(frozen=True)
class Archive:
    """A tar file of images.

    Attributes:
        name: Of the file.
        split: What TFDS calls its images.
        images: How many there are; None where any number will do.
        size: Bytes; None where any size will do.
        md5: Of the file, in hexadecimal; None where any content will do.
    """

    name: str
    split: str
    images: int | None = None
    size: int | None = None
    md5: str | None = None


# MD5: torchvision 0.28.0, `torchvision/datasets/imagenet.py`, and image-net.org's page of downloads. Sizes: what
# image-net.org's server answers. Images: Russakovsky et al. 2015, table 2 (https://arxiv.org/abs/1409.0575).
OFFICIAL = (
    Archive("ILSVRC2012_img_train.tar", "train", 1_281_167, 147_897_477_120, "1d675b47d978889d74fa0da5fadfb00e"),
    Archive("ILSVRC2012_img_val.tar", "validation", 50_000, 6_744_924_160, "29b22e2961454d5413ddabcf34fc5622"),
)
UNCHECKED = tuple(Archive(archive.name, archive.split) for archive in OFFICIAL)
SOURCE = "https://image-net.org/download-images, ILSVRC 2012: 'Training images (Task 1 & 2)' and 'Validation images'"


def wrong_files(directory: Path, archives: Sequence[Archive]) -> list[str]:
    """What is wrong with the names and sizes of the archives in a directory, one sentence for each."""
    wrong = []
    for archive in archives:
        path = directory / archive.name
        if not path.is_file():
            wrong.append(f"{path} is missing")
        elif archive.size is not None and (size := path.stat().st_size) != archive.size:
            kind = "truncated" if size < archive.size else "another file"
            wrong.append(f"{path} has {size:,} bytes, expected {archive.size:,}: it is {kind}")
    return wrong


def wrong_contents(directory: Path, archives: Sequence[Archive], report: Report) -> list[str]:
    """Which archives have another MD5 than expected, one sentence for each; reads them whole.

    Args:
        directory: Where they lie.
        archives: Those without `md5` are not read.
        report: Told the bytes that were read.
    """
    wrong = []
    for archive in archives:
        if archive.md5 is not None and (found := _md5(directory / archive.name, report)) != archive.md5:
            wrong.append(f"{directory / archive.name} has the MD5 {found}, expected {archive.md5}")
    return wrong


def _md5(path: Path, report: Report) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            report(len(block))
    return digest.hexdigest()


class Member(NamedTuple):
    """An image within a tar file.

    Attributes:
        name: Its file name.
        synset: The WordNet id of its class, `n01440764`, say.
        offset: Where its bytes begin, from the start of the tar file.
        size: Bytes.
    """

    name: str
    synset: str
    offset: int
    size: int


def train_members(path: Path) -> Iterator[Member]:
    """The images of a tar file of tar files, one for each class: n01440764.tar with n01440764_18.JPEG, ...

    Only headers are read.

    Raises:
        ValueError: It is no such file, or is cut.
    """
    with path.open("rb") as outer, path.open("rb") as inner:
        for synset in _files(outer, str(path)):
            inner.seek(synset.offset_data)
            for image in _files(inner, f"{synset.name} in {path}"):
                if image.offset_data + image.size > synset.offset_data + synset.size:
                    raise ValueError(f"{synset.name} in {path} is cut within {image.name}")
                yield Member(_name(image), _name(synset).removesuffix(".tar"), image.offset_data, image.size)


def validation_members(path: Path, synsets: Sequence[str]) -> Iterator[Member]:
    """The images of a flat tar file: ILSVRC2012_val_00000001.JPEG, ...

    Args:
        path: The tar file.
        synsets: The class of each image, by its number, from 1, in its name.

    Raises:
        ValueError: It is no such file, or is cut.
    """
    with path.open("rb") as file:
        for image in _files(file, str(path)):
            match = re.fullmatch(r"ILSVRC2012_val_(\d{8})\.JPEG", name := _name(image))
            if match is None or not 1 <= int(match[1]) <= len(synsets):
                raise ValueError(
                    f"{name} in {path} is no image of the validation split; expected ILSVRC2012_val_00000001.JPEG to "
                    f"ILSVRC2012_val_{len(synsets):08d}.JPEG"
                )
            yield Member(name, synsets[int(match[1]) - 1], image.offset_data, image.size)


def _files(file: BinaryIO, name: str) -> Iterator[tarfile.TarInfo]:
    """The files of the tar file that begins where `file` stands, without hidden ones."""
    try:
        with tarfile.open(mode="r:", fileobj=file) as tar:
            for member in tar:
                if member.isfile() and not os.path.basename(member.name).startswith("."):
                    yield member
    except tarfile.TarError as error:
        raise ValueError(f"{name} is no tar file, or is cut: {error}") from error


def _name(member: tarfile.TarInfo) -> str:
    return os.path.normpath(member.name)
