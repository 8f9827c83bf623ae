"""Data sets for the tests, made once a run."""

from pathlib import Path

import pytest
from PIL import Image

from cnn_evolution.data import ImageSource, open_source
from tests.data.fake_imagenet import write_fake_imagenet


@pytest.fixture(scope="session")
def mini_dir(tmp_path_factory) -> Path:
    """A data directory with mini_ilsvrc/tiny."""
    directory = tmp_path_factory.mktemp("mini")
    open_source("mini_ilsvrc/tiny", "train", data_dir=directory)
    return directory


@pytest.fixture(scope="session")
def mini(mini_dir) -> ImageSource:
    return open_source("mini_ilsvrc/tiny", "train", data_dir=mini_dir)


@pytest.fixture(scope="session")
def imagenet_dir(tmp_path_factory) -> Path:
    """A data directory with a fake imagenet2012 of 24 training and 10 validation images."""
    return write_fake_imagenet(tmp_path_factory.mktemp("imagenet"), train=24, validation=10)


@pytest.fixture
def folder(tmp_path):
    for split, count in (("train", 3), ("val", 1)):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(count):
                Image.new("RGB", (20, 20), (index, 0, 0)).save(tmp_path / split / name / f"{index}.jpg")
    (tmp_path / "train" / "cat" / "notes.txt").write_text("not an image")
    return tmp_path
