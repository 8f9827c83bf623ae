"""Batches depend on (seed, number of the batch) alone, nothing is lost, and errors are final."""

import io
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnn_evolution.data import (
    CenterCrop,
    FixedScaleCrop,
    ImageSource,
    InceptionCrop,
    evaluation_batches,
    open_source,
    train_batches,
)

CROP = FixedScaleCrop(12, 16)
CENTER = CenterCrop(12, 16)


def encode(value: int) -> bytes:
    file = io.BytesIO()
    ramp = np.add.outer(np.arange(20), np.arange(24)) + value
    Image.fromarray(np.stack([ramp, ramp * 2, ramp * 3], -1).astype(np.uint8)).save(file, "JPEG")
    return file.getvalue()


def source_of(count: int, corrupt: tuple[int, ...] = ()) -> ImageSource:
    """Images whose label is their index."""
    records = [(b"no image" if index in corrupt else encode(index), index) for index in range(count)]
    return ImageSource("numbers", "train", records, tuple(map(str, range(count))))


def take(iterator, count):
    return list(islice(iterator, count))


def assert_same(actual, expected):
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a["label"], b["label"])
        np.testing.assert_array_equal(a["image"], b["image"])


def test_a_batch_has_the_promised_form():
    (batch,) = take(train_batches(source_of(10), batch_size=4, crop=CROP, seed=0), 1)
    assert batch["image"].shape == (4, 12, 12, 3) and batch["image"].dtype == np.uint8
    assert batch["label"].shape == (4,) and batch["label"].dtype == np.int32
    assert batch["image"].any(axis=(1, 2, 3)).all()


def test_every_epoch_is_a_permutation_of_its_own_and_batches_run_over_its_border():
    batches = take(train_batches(source_of(10), batch_size=4, crop=CROP, seed=0), 10)
    epochs = np.concatenate([batch["label"] for batch in batches]).reshape(4, 10)
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_seeds_give_different_orders_not_shifted_ones():
    """Grain's own shuffle gives seed 1 in epoch e what seed 0 has in epoch e + 1."""
    orders = {
        seed: np.concatenate(
            [b["label"] for b in take(train_batches(source_of(10), batch_size=10, crop=CROP, seed=seed), 3)]
        ).reshape(3, 10)
        for seed in (0, 1)
    }
    assert len({tuple(epoch) for seed in orders for epoch in orders[seed]}) == 6


def test_the_same_image_is_cropped_anew_in_every_epoch():
    batches = take(train_batches(source_of(1), batch_size=1, crop=CROP, seed=0), 12)
    assert len({batch["image"].tobytes() for batch in batches}) > 6


@settings(deadline=None, derandomize=True, max_examples=10)
@given(count=st.integers(1, 9), start=st.integers(0, 12), processes=st.sampled_from([1, 2, 3]), seed=st.integers(0, 9))
def test_starting_late_and_sharing_rows_change_nothing(count, start, processes, seed):
    source = source_of(count)
    whole = take(train_batches(source, batch_size=6, crop=CROP, seed=seed), start + 3)[start:]
    shares = [
        take(
            train_batches(
                source,
                batch_size=6,
                crop=CROP,
                seed=seed,
                start=start,
                process_index=p,
                process_count=processes,
            ),
            3,
        )
        for p in range(processes)
    ]
    for number, expected in enumerate(whole):
        for p in range(processes):
            np.testing.assert_array_equal(shares[p][number]["label"], expected["label"][p::processes])
            np.testing.assert_array_equal(shares[p][number]["image"], expected["image"][p::processes])


def test_starting_very_late_is_immediate():
    (batch,) = take(train_batches(source_of(7), batch_size=5, crop=CROP, seed=0, start=10**9), 1)
    assert (batch["label"] >= 0).all()


def test_worker_processes_change_nothing(mini):
    crop = FixedScaleCrop(48, 56)
    expected = take(train_batches(mini, batch_size=64, crop=crop, seed=3, start=9), 6)
    assert_same(take(train_batches(mini, batch_size=64, crop=crop, seed=3, start=9, workers=2), 6), expected)


def test_many_threads_change_nothing(imagenet_dir):
    """Large crops are decoded by several threads."""
    source = open_source("imagenet2012", "train", data_dir=imagenet_dir)
    arguments = {"batch_size": 6, "crop": InceptionCrop(128), "seed": 0, "workers": 0}
    batches = take(train_batches(source, **arguments), 8)
    again = take(train_batches(source, **arguments, start=4), 4)
    assert_same(again, batches[4:])
    assert all((batch["label"] >= 0).all() for batch in batches)


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("count", [1, 7, 8, 9])
def test_evaluation_reads_every_image_once(count, processes):
    shares = [
        list(evaluation_batches(source_of(count), batch_size=4, crop=CENTER, process_index=p, process_count=processes))
        for p in range(processes)
    ]
    assert {len(share) for share in shares} == {-(-count // 4)}
    labels = np.concatenate([batch["label"] for share in shares for batch in share])
    assert sorted(labels[labels >= 0]) == list(range(count))
    for batch in (batch for share in shares for batch in share):
        assert batch["image"].shape == (4 // processes, 12, 12, 3)
        assert not batch["image"][batch["label"] < 0].any()


def test_a_corrupt_file_ends_training_by_default():
    batches = train_batches(source_of(10, corrupt=(3,)), batch_size=5, crop=CROP, seed=0)
    with pytest.raises(ValueError, match=r"record 3 of numbers.*1 corrupt images, 0 are allowed.*record 3 of"):
        take(batches, 2)
    assert next(batches, None) is None  # over, instead of going on without it


@pytest.mark.parametrize("workers", [0, 2])
def test_the_next_intact_image_takes_the_place_of_a_corrupt_one_which_is_counted_once(workers, caplog):
    source = source_of(10, corrupt=(3, 8))
    with caplog.at_level(logging.WARNING):
        batches = take(train_batches(source, batch_size=5, crop=CROP, seed=0, max_corrupt=2, workers=workers), 6)
    labels = np.concatenate([batch["label"] for batch in batches])
    assert all(sorted(epoch) == [0, 1, 2, 4, 4, 5, 6, 7, 9, 9] for epoch in labels.reshape(3, 10))
    assert all(batch["image"].any((1, 2, 3)).all() for batch in batches)
    assert sorted(record.message.split(" of ")[0] for record in caplog.records) == ["record 3", "record 8"]


def test_one_corrupt_file_above_the_limit_names_all():
    batches = train_batches(source_of(10, corrupt=(3, 8)), batch_size=5, crop=CROP, seed=0, max_corrupt=1)
    with pytest.raises(ValueError, match=r"2 corrupt images, 1 are allowed.*record 3 of.*; record 8 of"):
        take(batches, 2)


def test_evaluation_fails_on_a_corrupt_file_unless_allowed():
    source = source_of(5, corrupt=(2,))
    with pytest.raises(ValueError, match="record 2 of numbers"):
        list(evaluation_batches(source, batch_size=4, crop=CENTER))
    labels = np.concatenate([b["label"] for b in evaluation_batches(source, batch_size=4, crop=CENTER, max_corrupt=1)])
    assert labels.tolist() == [0, 1, -1, 3, 4, -1, -1, -1]


class _Unreadable:
    """Records on a disk that fails at one place."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if index == 3:
            raise OSError("disk failure")
        return encode(index), index


@pytest.mark.parametrize("workers", [0, 2])
def test_any_other_error_is_final(workers):
    source = replace(source_of(10), records=_Unreadable())
    batches = train_batches(source, batch_size=2, crop=CROP, seed=0, workers=workers)
    with pytest.raises(OSError, match="disk failure"):
        take(batches, 5)
    assert next(batches, None) is None


def test_a_killed_worker_is_an_error():
    batches = train_batches(source_of(10), batch_size=2, crop=CROP, seed=0, workers=2)
    next(batches)
    workers = [child for child in multiprocessing.active_children() if "grain" in child.name]
    assert len(workers) == 2
    workers[0].kill()
    with pytest.raises(OSError, match=r"ended from outside.*exit code -9$"):
        take(batches, 20)
    assert next(batches, None) is None


READER = """
import multiprocessing, time
from cnn_evolution.data import CenterCrop, open_source, train_batches
if __name__ == "__main__":
    source = open_source("mini_ilsvrc/tiny", "train")
    batches = train_batches(source, batch_size=2, crop=CenterCrop(8, 8), seed=0, workers=2)
    next(batches), next(batches)  # one of each worker
    print(*(child.pid for child in multiprocessing.active_children() if "grain" in child.name), flush=True)
    time.sleep(120)
"""


def test_workers_end_with_their_parent_and_at_nothing_else():
    command = [sys.executable, "-c", READER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        for number in (signal.SIGINT, signal.SIGTERM):
            for pid in workers:
                os.kill(pid, number)
        time.sleep(0.5)
        assert all(alive(pid) for pid in workers)
        parent.kill()
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid):
    """Whether a process runs; one that has ended may still be listed."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"batch_size": 10, "process_count": 4},
            "batch_size is 10, expected a positive multiple of the 4.*nearest is 8",
        ),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"process_index": 2, "process_count": 2}, "process_index is 2"),
        ({"workers": -1}, "workers is -1, expected 'auto'"),
        ({"seed": -1}, "seed is -1"),
        ({"start": -1}, "start is -1"),
    ],
)
def test_bad_arguments_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        train_batches(source_of(4), **{"batch_size": 4, "crop": CROP, "seed": 0} | options)


def mirrored(image, rng):
    return image[:, ::-1]


def dimmed(image, rng):
    return (image * rng.random()).astype(np.uint8)


def test_operations_change_every_image_in_order_after_the_crop_from_its_own_generator():
    source, arguments = source_of(8), {"batch_size": 8, "crop": CENTER, "seed": 0}
    (plain,) = take(train_batches(source, **arguments), 1)
    (changed,) = take(train_batches(source, **arguments, operations=[mirrored]), 1)
    np.testing.assert_array_equal(changed["image"], plain["image"][:, :, ::-1])
    np.testing.assert_array_equal(changed["label"], plain["label"])
    batches = [take(train_batches(source, **arguments, operations=[mirrored, dimmed], workers=w), 3) for w in (0, 2)]
    assert_same(*batches)
    means = [row.mean() / whole.mean() for row, whole in zip(batches[0][0]["image"], plain["image"], strict=True)]
    assert len({round(mean, 3) for mean in means}) == 8


@pytest.mark.parametrize(
    ("operation", "got"),
    [
        (lambda i, rng: i[:-1], r"uint8 \(11, 12, 3\)"),
        (lambda i, rng: i / 255, "float64"),
        (lambda i, rng: None, "NoneType"),
    ],
    ids=["shape", "type", "nothing"],
)
def test_an_operation_that_changes_shape_or_type_is_an_error(operation, got):
    with pytest.raises(ValueError, match=f"image operation <lambda> gives {got}"):
        take(train_batches(source_of(4), batch_size=2, crop=CROP, seed=0, operations=[operation]), 1)


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_that_is_no_class_is_an_error(label):
    source = replace(source_of(4), records=[(encode(index), label if index == 2 else 0) for index in range(4)])
    message = f"record 2 of numbers, split train, has label {label}, expected 0 to 3"
    with pytest.raises(ValueError, match=message):
        take(train_batches(source, batch_size=4, crop=CROP, seed=0), 1)
    with pytest.raises(ValueError, match=message):
        take(evaluation_batches(source, batch_size=4, crop=CENTER), 1)
