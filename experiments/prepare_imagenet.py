"""Prepares ImageNet (ILSVRC 2012) once, for training and evaluation.

    python -m experiments.prepare_imagenet --tarballs DIRECTORY --data-dir /data/tensorflow_datasets
    python -m experiments.prepare_imagenet --tarballs DIRECTORY --short-side 320
    python -m experiments.prepare_imagenet --data-dir /data/tensorflow_datasets

The directory holds ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from image-net.org; neither the devkit nor
TensorFlow is needed. Names, sizes and MD5 are checked first. What is written is `imagenet2012` of TFDS in ArrayRecord
files, with its records in its order; it takes as much room as the tar files, 155 GB, and no more on the way.

Where TFDS has prepared imagenet2012 as TFRecord files, those are converted instead, in their directory, and stay. Their
checksums want `pip install crc32c`: in Python they take hours.

Started again after it was stopped or killed, the command goes on with the files that are missing.

`--short-side 320` makes images whose shorter side is longer smaller (Lanczos, JPEG of quality 95), for faster reading.
These are other images: they are a data set of another name, `imagenet2012_short320`. On the photographs of `classify
--examples`, the central 224 pixels differ by 0.8 to 1.5 of 255 levels on average, and EfficientNet-Lite0 gives the same
answers with probabilities that differ by up to 0.07.
"""

import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import tyro

from cnn_evolution.data import default_data_dir, open_source
from cnn_evolution.data.imagenet.preparing import NAME, directory_of, prepare
from cnn_evolution.data.imagenet.reports import Report
from cnn_evolution.data.imagenet.tarballs import OFFICIAL, SOURCE, UNCHECKED
from cnn_evolution.data.imagenet.tfrecords import FAST_CHECKSUMS, convert, holds_tfrecords_only
from experiments import command_line


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """A preparation.

    Attributes:
      tarballs: Directory of the two tar files.
      data_dir: Where prepared data sets lie; None for the default place.
      short_side: Re-encode images whose shorter side has more pixels than this, to this; None keeps all as they are.
      unchecked: Take tar files of any size, content and number of images.
      threads: Files to write at once, each with up to 140 MB of images in memory; None for one per processor, up to 8.
    """

    tarballs: Path | None = None
    data_dir: Path | None = None
    short_side: int | None = None
    unchecked: bool = False
    threads: int | None = None


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.prepare_imagenet", description=__doc__)
    data_dir = (arguments.data_dir or default_data_dir()).expanduser()
    threads = min(os.cpu_count() or 1, 8) if arguments.threads is None else arguments.threads
    if threads < 1:
        raise ValueError(f"--threads is {threads}, expected at least 1")
    if arguments.short_side is not None and arguments.short_side < 1:
        raise ValueError(f"--short-side is {arguments.short_side}, expected at least 1 pixel")
    directory = directory_of(data_dir, arguments.short_side)
    if arguments.short_side is None and (copies := tfrecord_copies(data_dir)):
        directory = copies[-1]
        if not FAST_CHECKSUMS:
            print(
                "checksums are computed in Python, 2 MB a second; pip install crc32c makes them fast", file=sys.stderr
            )
        convert(directory, threads=threads, reporter=said)
    elif directory.exists():
        print(f"{directory} is there already", file=sys.stderr)
    elif arguments.tarballs is None:
        raise ValueError(f"no {NAME} in {data_dir}; give the tar files with --tarballs; they come from {SOURCE}")
    else:
        if arguments.unchecked:
            print("the tar files are not checked: neither sizes, nor MD5, nor numbers of images", file=sys.stderr)
        archives = UNCHECKED if arguments.unchecked else OFFICIAL
        tarballs = arguments.tarballs.expanduser()
        prepare(tarballs, data_dir, archives, short_side=arguments.short_side, threads=threads, reporter=said)
    splits = [open_source(str(directory), archive.split) for archive in OFFICIAL]
    print(f"{directory}: " + ", ".join(f"{len(source):,} images of {source.split}" for source in splits))


def tfrecord_copies(data_dir: Path) -> list[Path]:
    """Directories of versions of imagenet2012 that are there as TFRecord files only."""
    return [path for path in sorted((data_dir / NAME).glob("*.*.*")) if holds_tfrecords_only(path)]


@contextlib.contextmanager
def said(counted: str, total: int, done: int) -> Iterator[Report]:
    """Says on stderr how much is done: on a terminal in one line, elsewhere in a line every minute."""
    terminal = sys.stderr.isatty()
    begun = said_at = time.monotonic()
    before = done

    def say() -> None:
        rate = (done - before) / max(time.monotonic() - begun, 1e-9)
        line = f"{done:,}{f' of {total:,}' if total else ''} {counted}, {rate:,.0f} a second"
        print(f"\r\x1b[K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    def report(more: int) -> None:
        nonlocal done, said_at
        done += more
        if time.monotonic() - said_at >= (0.5 if terminal else 60):
            said_at = time.monotonic()
            say()

    try:
        yield report
    finally:
        if done > before:
            say()
            if terminal:
                print(file=sys.stderr)


if __name__ == "__main__":
    command_line.run(main)
