"""The tar files of a fake ImageNet of the official layout, and the data set that is prepared from them."""

from pathlib import Path
from typing import NamedTuple

import pytest

from cnn_evolution.data.imagenet.preparing import prepare
from cnn_evolution.data.imagenet.tarballs import Archive
from tests.data.fake_imagenet import jpeg, official_kinds, write_tarballs


class Fake(NamedTuple):
    """Where the tar files lie, what they are, and what they hold."""

    tarballs: Path
    archives: tuple[Archive, ...]
    train: dict[str, bytes]
    validation: list[bytes]


@pytest.fixture(scope="session")
def fake(tmp_path_factory) -> Fake:
    """1000 classes, the 22 CMYK files and the PNG file, and ten validation images."""
    directory = tmp_path_factory.mktemp("official")
    train, validation = official_kinds(), [jpeg(20, 30, seed) for seed in range(10)]
    return Fake(directory, write_tarballs(directory, train, validation), train, validation)


@pytest.fixture(scope="session")
def prepared(fake, tmp_path_factory) -> Path:
    """A data directory with `imagenet2012` of the fake."""
    data_dir = tmp_path_factory.mktemp("prepared")
    prepare(fake.tarballs, data_dir, fake.archives)
    return data_dir


@pytest.fixture
def few(tmp_path) -> Fake:
    """Six images of two classes, and three for validation."""
    train = {f"n{1440764 if number % 2 else 1443537:08d}_{number}.JPEG": jpeg(20, 30, number) for number in range(6)}
    validation = [jpeg(20, 30, seed) for seed in (11, 12, 13)]
    archives = write_tarballs(tmp_path / "tarballs", train, validation)
    return Fake(tmp_path / "tarballs", archives, train, validation)
