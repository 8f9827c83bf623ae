"""Labelled images, wherever they come from: what is known of a split, and random access to its images."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_evolution.data.decoding import Encoded, turned


class Records(Protocol):
    """Random access to (image, label)."""

    @property
    def identity(self) -> Any:
        """What tells these records from others, as JSON."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Encoded, int]: ...


@dataclass(frozen=True)
class ImageSource:
    """A split of a labelled data set.

    Attributes:
        name: The data set.
        split: The split, as it was asked for.
        records: `records[i]` is (an image, its label); the image is the bytes of a file, or uint8 (H, W, 3).
        class_names: By label; labels run from 0 to num_classes - 1.
    """

    name: str
    split: str
    records: Records
    class_names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the class names and of what the records say of themselves, as 16 hexadecimal digits.

        That is TFDS's own description of the splits, the names and sizes of a folder's files, or the arrays' bytes.
        """
        identity = [self.name, self.split, self.class_names, self.records.identity]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]

    @property
    def on_disk(self) -> bool:
        """Whether the records say that they are, so that other processes can read them without a copy in memory."""
        return getattr(self.records, "on_disk", False)

    def __len__(self) -> int:
        return len(self.records)

    def where(self, index: int) -> str:
        """How to find an image, in words: its file if it has one of its own."""
        path = getattr(self.records, "path", None)
        return str(path(index)) if path else f"record {index} of {self.name}, split {self.split},"

    def image_id(self, index: int) -> str:
        """What an image is called in files of predictions: its path within a folder, or its split and number."""
        relative_path = getattr(self.records, "relative_path", None)
        return relative_path(index) if relative_path else f"{self.split}/{index}"

    def with_classes(self, class_names: Sequence[str]) -> "ImageSource":
        """The same images, labelled by the place of their class's name in another list.

        Raises:
            ValueError: A class is not in that list, or a name is in one of the lists twice.
        """
        if tuple(class_names) == self.class_names:
            return self
        place = {name: label for label, name in enumerate(class_names)}
        if len(place) < len(class_names) or len(set(self.class_names)) < self.num_classes:
            raise ValueError(f"the classes of {self.name} cannot be told apart by their names, since one occurs twice")
        if unknown := [name for name in self.class_names if name not in place]:
            raise ValueError(
                f"{len(unknown)} of the {self.num_classes} classes of {self.name} ({first_few(unknown)}) are not among "
                f"the {len(class_names)} expected ({first_few(class_names)})"
            )
        labels = tuple(place[name] for name in self.class_names)
        return ImageSource(self.name, self.split, _Relabelled(self.records, labels), tuple(class_names))

    def upright(self) -> "ImageSource":
        """The same images, turned and mirrored as their EXIF data says, as cameras write it."""
        return ImageSource(self.name, self.split, _Upright(self.records), self.class_names)


class RecordedSource(ImageSource):
    """A split as a run remembers it: all but the images, which cannot be read.

    Args:
        name: The data set.
        split: The split.
        class_names: By label.
        images: Their number.
        fingerprint: Theirs.
    """

    def __init__(self, name: str, split: str, class_names: Sequence[str], images: int, fingerprint: str) -> None:
        super().__init__(name, split, _Unreadable(images), tuple(class_names))
        self.__dict__["fingerprint"] = fingerprint  # where a cached property keeps its value


@dataclass(frozen=True)
class _Unreadable:
    images: int
    identity: None = None

    def __len__(self) -> int:
        return self.images

    def __getitem__(self, index: int) -> tuple[Encoded, int]:
        raise FileNotFoundError("only the number of these images is known; open their data set to read them")


class ArraySource(ImageSource):
    """Images in memory.

    Args:
        images: uint8 (N, H, W, 3), RGB.
        labels: Whole numbers (N,), from 0 to the number of classes - 1.
        class_names: By label.
        name: Of the data set, for results.
        split: Likewise.

    Raises:
        ValueError: An array has another shape or type, or a label is no class.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: ArrayLike,
        class_names: Sequence[str],
        *,
        name: str = "arrays",
        split: str = "all",
    ) -> None:
        images, labels = np.asarray(images), np.asarray(labels)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not len(images):
            raise ValueError(f"images are {images.dtype} {images.shape}, expected uint8 (N, H, W, 3)")
        if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"labels are {labels.dtype} {labels.shape}, expected whole numbers ({len(images)},)")
        if (wrong := np.flatnonzero((labels < 0) | (labels >= len(class_names)))).size:
            raise ValueError(
                f"label {labels[wrong[0]]} of image {wrong[0]} is no class, expected 0 to {len(class_names) - 1}, "
                f"since there are {len(class_names)} class names"
            )
        super().__init__(name, split, _ArrayRecords(images, labels), tuple(class_names))


@dataclass(frozen=True)
class _ArrayRecords:
    images: NDArray[np.uint8]
    labels: NDArray[Any]

    @property
    def identity(self) -> Any:
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.asarray(self.labels, "<i8").data)
        return [self.images.shape, digest.hexdigest()]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Encoded, int]:
        return self.images[index], int(self.labels[index])


@dataclass(frozen=True)
class _Changed:
    """Records of other records."""

    records: Records

    def __len__(self) -> int:
        return len(self.records)

    def __getattr__(self, name: str) -> Any:
        if name in ("path", "relative_path", "on_disk"):  # which only some records have
            return getattr(self.records, name)
        raise AttributeError(name)


@dataclass(frozen=True)
class _Relabelled(_Changed):
    """With other numbers for their classes."""

    labels: tuple[int, ...]

    @property
    def identity(self) -> Any:
        return [self.records.identity, self.labels]

    def __getitem__(self, index: int) -> tuple[Encoded, int]:
        image, label = self.records[index]
        if not 0 <= label < len(self.labels):
            raise ValueError(f"record {index} has label {label}, expected 0 to {len(self.labels) - 1}")
        return image, self.labels[label]


@dataclass(frozen=True)
class _Upright(_Changed):
    """With images that are turned as their EXIF data says."""

    @property
    def identity(self) -> Any:
        return [self.records.identity, "upright"]

    def __getitem__(self, index: int) -> tuple[Encoded, int]:
        image, label = self.records[index]
        return turned(image), label


def first_difference(ours: Sequence[str], theirs: Sequence[str]) -> int | None:
    """The first label whose class names differ; None if they are the same classes."""
    both = enumerate(itertools.zip_longest(ours, theirs))
    return next((label for label, (one, other) in both if one != other), None)


def first_few(names: Sequence[str]) -> str:
    """The first three names, for messages."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
