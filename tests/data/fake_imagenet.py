"""Writes a small fake ImageNet as TFDS would have prepared it: the same features and classes, files of its sizes.

From the command line: python tests/data/fake_imagenet.py DIRECTORY [--train 64] [--validation 50]
"""

import argparse
import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from PIL import Image

from cnn_evolution.pretrained.classes import classes_of

with tfds.core.registered.skip_registration():  # TFDS knows the real one

    class _FakeImagenet(tfds.core.GeneratorBasedBuilder):
        name = "imagenet2012"
        VERSION = tfds.core.Version("5.1.0")
        # TFDS would look for checksums and a README beside this file, with a package that it forgets to require.
        code_path = None
        pkg_dir_path = epath.Path(__file__).parent
        counts: dict[str, int]

        def _info(self) -> tfds.core.DatasetInfo:
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Image(encoding_format="jpeg"),
                        "label": tfds.features.ClassLabel(names=classes_of("imagenet2012").wnids),
                        "file_name": tfds.features.Text(),
                    }
                ),
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, Any]]]:
            return {split: self._generate_examples(split) for split in self.counts}

        def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
            for index in range(self.counts[split]):
                data = _file(index, seed=index if split == "train" else 1_000_000 + index)
                label = (index * 617) % 1000
                yield index, {"image": io.BytesIO(data), "label": label, "file_name": f"{split}_{index:08d}.JPEG"}


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


def write_fake_imagenet(directory: Path | str, train: int = 64, validation: int = 50) -> Path:
    """Prepares `imagenet2012` under `directory` with that many images a split, and returns `directory`."""
    tfds.disable_progress_bar()
    builder = _FakeImagenet(data_dir=Path(directory))
    builder.counts = {"train": train, "validation": validation}
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as downloads:
        builder.download_and_prepare(file_format="array_record", download_dir=downloads)
    return Path(directory)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--train", type=int, default=64)
    parser.add_argument("--validation", type=int, default=50)
    arguments = parser.parse_args()
    write_fake_imagenet(arguments.directory, arguments.train, arguments.validation)
    print(f"imagenet2012 in {arguments.directory}")
