"""The TFDS builder of mini_ilsvrc: writes ArrayRecord files of JPEGs, without TensorFlow and without a network.

Importing this file imports TFDS (it takes a second); `sources.open_source` does so when the data set is asked for.
"""

import contextlib
import io
import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from filelock import FileLock
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cnn_evolution.data.mini_ilsvrc.classes import CLASS_NAMES, CLASSES, CONFLICTS, SHAPES, TEXTURES
from cnn_evolution.data.mini_ilsvrc.scene import render

SEED = 2012
SPLITS = ("train", "validation", "cue_conflict")
_CHUNK = 250  # images a worker makes between two reports


def _encode(image: np.ndarray, quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def example(split: str, index: int) -> dict[str, Any]:
    """Image number `index` of a split: a JPEG file (bytes) with its labels. Depends on nothing else.

    Classes (or conflicting pairs) take turns, so every prefix of a split is balanced. In `cue_conflict`, where no class
    is right, `label` is -1: use `shape` or `texture`.
    """
    rng = np.random.default_rng([SEED, SPLITS.index(split), index])
    pairs = CONFLICTS if split == "cue_conflict" else CLASSES
    label = index % len(pairs)
    shape, texture = pairs[label]
    image = render(shape, texture, rng)
    jpeg = _encode(image, quality=int(rng.integers(75, 93)))
    return {"image": jpeg, "label": -1 if split == "cue_conflict" else label, "shape": shape, "texture": texture}


def _examples(split: str, start: int, stop: int) -> list[dict[str, Any]]:
    return [example(split, index) for index in range(start, stop)]


@dataclass
class MiniIlsvrcConfig(tfds.core.BuilderConfig):
    """How many images each split has."""

    train: int = 20_000
    validation: int = 2_000
    cue_conflict: int = 2_000


class MiniIlsvrc(tfds.core.GeneratorBasedBuilder):
    """100 classes of textured shapes; see `classes` for what a class is and `scene` for what varies."""

    pool: Executor  # set by `build`
    progress: Progress

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS's interface)
        MiniIlsvrcConfig(name="full", description="20,000 training images"),
        MiniIlsvrcConfig(name="tiny", description="For tests", train=800, validation=200, cue_conflict=88),
    ]
    # TFDS would look for checksums and a README beside this file, with a package that it forgets to require.
    code_path = None
    pkg_dir_path = epath.Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Images of 12 shapes with 12 surface textures; 100 of the 144 pairs are the classes.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(names=CLASS_NAMES),
                    "shape": tfds.features.ClassLabel(names=SHAPES),
                    "texture": tfds.features.ClassLabel(names=TEXTURES),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[int, Any]]]:
        return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        count = getattr(self.builder_config, split)
        starts = range(0, count, _CHUNK)
        stops = [min(start + _CHUNK, count) for start in starts]
        task = self.progress.add_task(split, total=count)
        for start, chunk in zip(starts, self.pool.map(_examples, repeat(split), starts, stops), strict=True):
            for index, features in enumerate(chunk, start):
                yield index, features | {"image": io.BytesIO(features["image"])}
            self.progress.advance(task, len(chunk))


def build(data_dir: Path, config: str = "full") -> None:
    """Writes the data set under `data_dir/mini_ilsvrc/<config>/<version>`, unless it is there already.

    TFDS writes into a directory of another name and renames it at the end, so an interrupted build leaves no data set.
    Processes that start together take turns: the first builds, the others find it built.

    Raises:
        OSError: `data_dir` cannot be written to.
        RuntimeError: A script calls this without a main guard, so that its processes run it again.
    """
    tfds.disable_progress_bar()
    columns = TextColumn("mini_ilsvrc {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    data_dir.mkdir(parents=True, exist_ok=True)
    with (
        # Spawned, because forking a process in which JAX runs threads may hang.
        ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent) as pool,
        _started(pool),  # before the lock, for which processes that run an unguarded script would wait for ever
        FileLock(data_dir / "mini_ilsvrc.lock"),
        contextlib.redirect_stdout(io.StringIO()),  # TFDS prints that it downloads, which it does not
        tempfile.TemporaryDirectory() as downloads,  # and makes directories for that
        Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as progress,
    ):
        builder = MiniIlsvrc(data_dir=data_dir, config=config)
        for abandoned in Path(builder.data_dir).parent.glob("incomplete.*"):
            shutil.rmtree(abandoned)
        builder.pool, builder.progress = pool, progress
        builder.download_and_prepare(file_format="array_record", download_dir=downloads)


def _end_with_parent() -> None:
    """Lets a worker end when the building process is killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _started(pool: Executor) -> Iterator[None]:
    """Makes sure that the pool's processes work."""
    try:
        pool.submit(os.getpid).result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "the processes that make mini_ilsvrc cannot start; a script that opens it for the first time must do so "
            'under `if __name__ == "__main__":`'
        ) from error
    yield
