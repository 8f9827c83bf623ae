"""Batches of images, read by Grain.

What a batch holds depends on (seed, number of the batch) alone: the examples come from an endless sequence of epochs,
each with its own permutation by (seed, epoch), the random crop of each from (seed, epoch, index). So it is the same at
any number of workers and processes, and the reader's whole state is the number of batches read: going on at batch t
is `train_batches(..., start=t)`, at once.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_evolution.data.batch import Batch, empty_batch
from cnn_evolution.data.decoding import CorruptImageError, ImageArray, open_pillow
from cnn_evolution.data.sources import ImageSource
from cnn_evolution.data.transforms import CenterCrop, TrainingCrop, read_center_crop, read_crop
from cnn_evolution.data.workers import SMALL, Workers, available_cores, workers_for
from cnn_evolution.needed import needed_for

_PADDING = -1
_NEXT = 10  # so many records in a row are tried before one place stays empty
_ENDLESS = 2**52  # examples; Grain counts batches in floating point, where its own "infinite" overflows at batch size 1
_logger = logging.getLogger(__name__)

ImageOperation = Callable[[ImageArray, np.random.Generator], ImageArray]
"""Changes one image, uint8 (H, W, 3), after the crop; draws from the generator alone."""


def train_batches(
    source: ImageSource,
    *,
    batch_size: int,
    crop: TrainingCrop,
    seed: int,
    operations: Sequence[ImageOperation] = (),
    start: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    workers: Workers = "auto",
    max_corrupt: int = 0,
) -> Generator[Batch]:
    """Training batches without end, from batch number `start` on.

    The examples are shuffled anew in every epoch; batches run over the borders of epochs, and nothing is dropped.

    Args:
        source: What to read.
        batch_size: Of all processes together; process p of P reads rows p, p + P, ... of each batch.
        crop: Draws a part of each image.
        seed: From 0 to 2^32 - 1.
        operations: What is done to each image after the crop, in order.
        start: Batches read before, by this or another iterator of the same arguments.
        process_index: Of this process among those that share a batch.
        process_count: Number of processes that share a batch.
        workers: Processes that decode; 0 decodes in threads of this one. Workers import the main module. "auto" chooses
            by this machine (see `workers_for`); batches are the same.
        max_corrupt: How many corrupt files to skip in this process; each is logged. One more is an error.

    Raises:
        ValueError: from this call for an argument out of range; from the iterator for too many corrupt files, for a
            label that is no class and for an operation that changes an image's shape or type. After any error the
            iterator is over.
    """
    _check_batch(batch_size, process_index, process_count)
    local = batch_size // process_count
    workers = workers_for(workers, source, size=crop.size, batch_size=local)
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}, expected 0 to 2**32 - 1")
    if start < 0:
        raise ValueError(f"start is {start}, expected the number of batches read before, at least 0")
    with needed_for("reading batches"):
        import grain

    # Grain shuffles epoch e by seed + e. Seeds are hashed, or seed 1 would repeat the epochs of seed 0, one earlier.
    shuffle_seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    positions = (
        grain.MapDataset.range(len(source))
        .map_with_index(_position)
        .shuffle(seed=shuffle_seed)
        .repeat()[process_index:_ENDLESS:process_count]
        .batch(local, batch_fn=tuple)[start:]
    )
    return _read(source, positions, _TrainingReader(source, crop, seed, tuple(operations)), workers, max_corrupt)


def evaluation_batches(
    source: ImageSource,
    *,
    batch_size: int,
    crop: CenterCrop,
    process_index: int = 0,
    process_count: int = 1,
    workers: Workers = "auto",
    max_corrupt: int = 0,
) -> Generator[Batch]:
    """Every image of the split once, in order, over all processes together.

    Every process gets the same number of batches, all of the same size: the last is filled up with absent rows.
    The arguments are those of `train_batches`.

    Raises:
        ValueError: from this call for an argument out of range; from the iterator for a corrupt file.
    """
    _check_batch(batch_size, process_index, process_count)
    local = batch_size // process_count
    workers = workers_for(workers, source, size=crop.size, batch_size=local, images=len(source) / process_count)
    with needed_for("reading batches"):
        import grain

    batches = -(-len(source) // batch_size)
    positions = (
        grain.MapDataset.range(batches * batch_size)
        .map(partial(_position_or_padding, examples=len(source)))[process_index::process_count]
        .batch(local, batch_fn=tuple)
    )
    return _read(source, positions, _EvaluationReader(source, crop), workers, max_corrupt)


def _check_batch(batch_size: int, process_index: int, process_count: int) -> None:
    if process_count < 1 or not 0 <= process_index < process_count:
        raise ValueError(f"process_index is {process_index} of process_count {process_count}, expected 0 to count - 1")
    if batch_size < 1 or batch_size % process_count:
        nearest = max(1, round(batch_size / process_count)) * process_count
        raise ValueError(
            f"batch_size is {batch_size}, expected a positive multiple of the {process_count} processes; "
            f"the nearest is {nearest}"
        )


def _position(index: int, _: int) -> int:
    """epoch * number of examples + index of the record, as Grain counts through the epochs."""
    return index


def _position_or_padding(position: int, examples: int) -> int:
    return position if position < examples else _PADDING


@dataclass(frozen=True)
class _TrainingReader:
    """Positions in the endless sequence of epochs -> the batch, and the corrupt records that were met.

    The next intact image takes the place of a corrupt one, so that every row counts, in statistics too.
    """

    source: ImageSource
    crop: TrainingCrop
    seed: int
    operations: tuple[ImageOperation, ...] = ()

    def __call__(self, positions: Sequence[int]) -> tuple[Batch, NDArray[np.int64]]:
        batch, corrupt = empty_batch(len(positions), self.crop.size), []
        for row, position in enumerate(positions):
            epoch, first = divmod(position, len(self.source))
            for following in range(_NEXT):
                index = (first + following) % len(self.source)
                data, label = self.source.records[index]
                rng = np.random.default_rng((self.seed, epoch, index))
                try:
                    read_crop(data, self.crop, rng, batch["image"][row])
                except CorruptImageError:
                    batch["image"][row] = 0
                    corrupt.append(index)
                    continue
                batch["label"][row] = _known(label, self.source, index)
                for operation in self.operations:
                    batch["image"][row] = _applied(operation, batch["image"][row], rng)
                break
        return batch, np.array(corrupt, np.int64)


@dataclass(frozen=True)
class _EvaluationReader:
    """Positions in the split, or `_PADDING` -> the batch, in which corrupt images are absent, and their records."""

    source: ImageSource
    crop: CenterCrop

    def __call__(self, positions: Sequence[int]) -> tuple[Batch, NDArray[np.int64]]:
        batch, corrupt = empty_batch(len(positions), self.crop.size), []
        for row, position in enumerate(positions):
            if position == _PADDING:
                continue
            data, label = self.source.records[position]
            try:
                read_center_crop(data, self.crop, batch["image"][row])
                batch["label"][row] = _known(label, self.source, position)
            except CorruptImageError:
                batch["image"][row] = 0
                corrupt.append(position)
        return batch, np.array(corrupt, np.int64)


def _known(label: int, source: ImageSource, index: int) -> int:
    if not 0 <= label < source.num_classes:
        raise ValueError(f"{source.where(index)} has label {label}, expected 0 to {source.num_classes - 1}")
    return label


def _applied(operation: ImageOperation, image: ImageArray, rng: np.random.Generator) -> ImageArray:
    """The changed image.

    Raises:
        ValueError: it has another shape or type.
    """
    changed = operation(image, rng)
    if not isinstance(changed, np.ndarray) or (changed.shape, changed.dtype) != (image.shape, image.dtype):
        got = f"{changed.dtype} {changed.shape}" if isinstance(changed, np.ndarray) else type(changed).__name__
        name = getattr(operation, "__name__", repr(operation))
        raise ValueError(f"the image operation {name} gives {got} for an image of {image.dtype} {image.shape}")
    return changed


def check_operations(operations: Sequence[ImageOperation], size: int) -> None:
    """Applies each to a grey image (size, size, 3).

    Raises:
        ValueError: one changes an image's shape or type.
    """
    for operation in operations:
        _applied(operation, np.full((size, size, 3), 128, np.uint8), np.random.default_rng(0))


def _read(source: ImageSource, positions: Any, reader: Any, workers: int, max_corrupt: int) -> Generator[Batch]:
    """Reads batches of positions ahead and keeps count of the corrupt files.

    A generator is over once it has raised, which is what an error of a worker must mean: Grain's own iterator would go
    on without that worker's batches.
    """
    with needed_for("reading batches"):
        import grain
        from absl import flags

    batches = positions.map(reader)
    if workers:
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # Grain hands absl's flags to its workers, parsed or not
        options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=1)
        dataset = batches.to_iter_dataset(options).mp_prefetch(
            grain.multiprocessing.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=1),
            worker_init_fn=_follow_the_parent,
        )
    else:
        # Small images take more Python than decoding, and threads that wait for each other's Python only cost time.
        threads = min(available_cores(), 8) if reader.crop.size >= SMALL else 1
        dataset = batches.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads + 1))
    iterator = iter(dataset)
    corrupt: set[int] = set()
    try:
        for batch, found in iterator:
            _count_corrupt(source, found.tolist(), corrupt, max_corrupt)
            # A worker's arrays lie in memory that it shares, which is freed now and not when somebody forgets them.
            yield {"image": np.array(batch["image"]), "label": np.array(batch["label"])} if workers else batch
    except RuntimeError as error:
        if "Worker process was terminated" not in str(error):
            raise
        why = str(error).partition(". ")[0]
        raise OSError(f"a process that decodes images was ended from outside, for lack of memory say: {why}") from error
    finally:
        iterator.close()


def _follow_the_parent(*_: int) -> None:
    """Lets a worker end when its parent ends it, or ends itself.

    Signals to the whole group, of a terminal or a cluster, are the parent's affair; it may have a batch to wait for.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _count_corrupt(source: ImageSource, indices: Sequence[int], corrupt: set[int], max_corrupt: int) -> None:
    """Adds the records to `corrupt`, logs each that is new, and raises above the limit."""
    for index in sorted(set(indices) - corrupt):
        corrupt.add(index)
        message = f"{source.where(index)} is no intact image: {_reason(source, index)}"
        if len(corrupt) > max_corrupt:
            raise ValueError(
                f"{message}. That makes {len(corrupt)} corrupt images, {max_corrupt} are allowed (max_corrupt): "
                f"{'; '.join(source.where(one) for one in sorted(corrupt))}"
            )
        _logger.warning("%s. It is left out.", message)


def _reason(source: ImageSource, index: int) -> str:
    """Why it cannot be decoded. The worker that found out may be another process, so ask again."""
    try:
        open_pillow(source.records[index][0])
    except CorruptImageError as error:
        return str(error)
    return "damaged"
