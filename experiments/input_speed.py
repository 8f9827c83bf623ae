"""Measures how fast training batches are read: this package's reader and torchvision's, side by side.

    python -m experiments.benchmark --input
    python -m experiments.benchmark --input imagenet/train --workers 8
    python -m experiments.input_speed --workers 0    # the same; no processes but this one

Both read the same files, draw crops as RandomResizedCrop does, resize and mirror them, and hand out shuffled batches of
uint8, which are not normalised: `train_batches` with InceptionCrop, and ImageFolder with PILToTensor in a DataLoader. A
folder of one's own holds a directory a class; without one, files as large as ImageNet's are made. torchvision takes
part where it is installed.

The readers take turns. A turn begins when the other's workers rest, and its first batches, which may have been ready,
are not measured. What counts is the median over the rounds, and the median of the rounds' ratios.
"""

import contextlib
import dataclasses
import importlib.util
import io
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import tyro
from PIL import Image

from cnn_evolution.data import ImageSource, InceptionCrop, open_source, train_batches
from cnn_evolution.data.workers import available_cores
from experiments import command_line

REST = 1.0  # seconds in which workers fill their buffers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """A comparison.

    Attributes:
      folder: Holds a directory of images a class; None for files that are made.
      images: How many files are made.
      workers: Processes that decode images; 0 decodes in this process.
      batch_size: Images a batch.
      size: Side of the crops, in pixels.
      torch: Whether torchvision takes part.
      rounds: Measurements of each reader.
      batches: What one measurement reads.
    """

    folder: tyro.conf.Positional[Path | None] = None
    images: int = 256
    workers: int = 2
    batch_size: int = 64
    size: int = 224
    torch: bool = True
    rounds: int = 5
    batches: int = 30

    def __post_init__(self) -> None:
        for name in ("images", "batch_size", "rounds", "batches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")


def main(args: Sequence[str] | None = None) -> None:
    """Prints the comparison that the command line asks for, `args` instead of the process's own."""
    arguments = tyro.cli(Arguments, prog="python -m experiments.input_speed", description=__doc__, args=args)
    with contextlib.ExitStack() as stack:
        folder = arguments.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "train"
            write_images(folder, arguments.images)
        source = open_source("imagefolder", folder.resolve().name, data_dir=folder.resolve().parent)
        print(
            f"{len(source)} files in batches of {arguments.batch_size}, crops of {arguments.size} pixels, "
            f"{arguments.workers} workers, {available_cores()} cores"
        )
        print(libjpeg_alone(source), flush=True)
        readers: dict[str, Iterator[Any]] = {"ours": stack.enter_context(contextlib.closing(ours(source, arguments)))}
        if arguments.torch and all(map(importlib.util.find_spec, ("torch", "torchvision"))):
            readers["torchvision"] = torchvision(folder, arguments)
        rates = measured(readers, arguments)
    print(table(rates))


def measured(readers: Mapping[str, Iterator[Any]], arguments: Arguments) -> dict[str, list[float]]:
    """Images a second of each reader, in every round."""
    rates: dict[str, list[float]] = {name: [] for name in readers}
    ready = 4 * max(1, arguments.workers)  # batches at most, in both readers' buffers and workers
    for _ in range(arguments.rounds):
        for name, reader in readers.items():
            time.sleep(REST)
            for _ in range(ready):
                next(reader)
            start = time.perf_counter()
            for _ in range(arguments.batches):
                next(reader)
            rates[name].append(arguments.batches * arguments.batch_size / (time.perf_counter() - start))
    return rates


def table(rates: Mapping[str, Sequence[float]]) -> str:
    """What was measured, a line for each reader, and how the first compares."""
    lines = [
        f"{name:12} {statistics.median(one):7.1f} images/s ({min(one):.1f} to {max(one):.1f})"
        for name, one in rates.items()
    ]
    first, *others = rates
    for name in others:
        ratios = [one / other for one, other in zip(rates[first], rates[name], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        lines.append(f"{first} is {statistics.median(ratios):.2f} times as fast as {name} ({spread})")
    return "\n".join(lines)


def libjpeg_alone(source: ImageSource) -> str:
    """What the files are, and how fast one core decodes them and does nothing else, in words."""
    files = [data for data, _ in (source.records[index] for index in range(min(len(source), 256)))]
    jpegs = [data for data in files if isinstance(data, bytes) and data[:2] == b"\xff\xd8"]
    if not jpegs:
        return "none of the first files is a JPEG file"
    sizes = [simplejpeg.decode_jpeg_header(data)[:2] for data in jpegs]
    height, width = (statistics.mean(sides) for sides in zip(*sizes, strict=True))
    start = time.process_time()
    for data in jpegs:
        simplejpeg.decode_jpeg(data, strict=False)
    rate = len(jpegs) / (time.process_time() - start)
    kilobytes = statistics.mean(map(len, jpegs)) / 1000
    form = f"{kilobytes:.0f} KB and {width:.0f} x {height:.0f} pixels"
    return f"JPEG files of {form}: libjpeg alone {rate:.1f} images/s a core"


def ours(source: ImageSource, arguments: Arguments) -> Any:
    """Batches without end, of this package."""
    crop = InceptionCrop(arguments.size)
    return train_batches(source, batch_size=arguments.batch_size, crop=crop, seed=0, workers=arguments.workers)


def torchvision(folder: Path, arguments: Arguments) -> Iterator[Any]:
    """Batches without end, of torchvision."""
    from torch.utils.data import DataLoader, RandomSampler
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import Compose, PILToTensor, RandomHorizontalFlip, RandomResizedCrop

    crop = Compose([RandomResizedCrop(arguments.size), RandomHorizontalFlip(), PILToTensor()])
    images = ImageFolder(str(folder), crop)
    # One epoch without end, so that workers never wait at the end of one.
    order = RandomSampler(images, replacement=True, num_samples=2**40)
    context = "spawn" if arguments.workers else None
    return iter(
        DataLoader(
            images, arguments.batch_size, sampler=order, num_workers=arguments.workers, multiprocessing_context=context
        )
    )


def write_images(folder: Path, count: int) -> None:
    """JPEG files of ImageNet's size, 100 KB at 500 x 375 to 400 pixels, in two classes."""
    for index in range(count):
        path = folder / str(index % 2) / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stand_in(index, 375 + index % 26))


def stand_in(seed: int, height: int, noise: int = 28) -> bytes:
    """A JPEG file, 500 pixels wide, that is as hard to decode as a photograph of its bytes: smooth colours and noise.

    Args:
      seed: Of the colours and the noise.
      height: In pixels.
      noise: The most that it changes a pixel, of 255; it decides the file's size.
    """
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((500, height), Image.Resampling.BICUBIC)
    fine = rng.integers(-noise, noise + 1, (height, 500, 1))
    file = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(coarse) + fine, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    command_line.run(main)
