"""The number of processes that decode images fits the machine, and never makes a script start itself again."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cnn_evolution.data import ArraySource, ImageSource, open_source, train_batches, workers
from cnn_evolution.data.workers import available_cores, workers_for

ON_DISK = ImageSource("numbers", "train", SimpleNamespace(on_disk=True), ("0",))
IN_MEMORY = ArraySource(np.zeros((1, 8, 8, 3), np.uint8), [0], ["black"])


@pytest.fixture
def machine(monkeypatch):
    """Sets the cores and the free bytes of shared memory."""

    def set_to(cores, shared_memory=2**40):
        monkeypatch.setattr(workers, "available_cores", lambda: cores)
        monkeypatch.setattr(workers, "_shared_memory", lambda: shared_memory)
        monkeypatch.setattr(workers, "_main_can_be_imported", lambda: True)

    return set_to


@pytest.mark.parametrize(("cores", "expected"), [(1, 0), (2, 0), (4, 0), (8, 7), (32, 31)])
def test_few_cores_are_for_threads_and_many_for_processes(machine, cores, expected):
    machine(cores)
    assert workers_for("auto", ON_DISK, size=224, batch_size=64) == expected
    assert workers_for(3, ON_DISK, size=224, batch_size=64) == 3


def test_small_images_and_images_in_memory_are_for_threads(machine):
    machine(32)
    assert workers_for("auto", ON_DISK, size=48, batch_size=64) == 0
    assert workers_for("auto", IN_MEMORY, size=224, batch_size=64) == 0
    assert workers_for("auto", IN_MEMORY.upright(), size=224, batch_size=64) == 0


def test_there_are_no_more_processes_than_images_and_shared_memory_are_enough_for(machine):
    machine(32)
    assert workers_for("auto", ON_DISK, size=224, batch_size=64, images=5500) == 5
    assert workers_for("auto", ON_DISK, size=224, batch_size=64, images=500) == 0
    machine(32, shared_memory=2**26)  # as Docker gives by default
    assert workers_for("auto", ON_DISK, size=224, batch_size=64) == 1
    assert workers_for("auto", ON_DISK, size=224, batch_size=256) == 0


@pytest.mark.parametrize("split", ["train", "validation"])
def test_prepared_data_sets_and_folders_say_that_they_are_on_disk(mini_dir, tmp_path, split):
    source = open_source("mini_ilsvrc/tiny", split, data_dir=mini_dir)
    assert source.on_disk and source.upright().on_disk and source.with_classes(source.class_names[::-1]).on_disk
    file = tmp_path / split / "dogs" / "1.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"image")
    assert open_source("imagefolder", split, data_dir=tmp_path).on_disk


@pytest.mark.parametrize("number", [-1, "all", 1.5])
def test_what_is_no_number_is_refused(number):
    with pytest.raises(ValueError, match=f"workers is {number!r}, expected 'auto', 0 .* or more"):
        train_batches(IN_MEMORY, batch_size=1, crop=SimpleNamespace(size=8), seed=0, workers=number)


@pytest.mark.parametrize(
    ("quota", "share", "expected"),
    [("max 100000", None, 12), ("250000 100000", None, 3), ("50000 100000", None, 1), ("max 100000", "8", 8)],
)
def test_cores_are_those_of_affinity_quota_and_share(monkeypatch, tmp_path, quota, share, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(12), raising=False)
    monkeypatch.setattr(workers, "QUOTA", tmp_path / "cpu.max")
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    if share:
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", share)
    assert available_cores() == expected


UNGUARDED = """
from pathlib import Path
from types import SimpleNamespace
from cnn_evolution.data import ImageSource, workers

workers.available_cores, workers._shared_memory = lambda: 32, lambda: 2**40

def chosen():
    source = ImageSource("numbers", "train", SimpleNamespace(on_disk=True), ("0",))
    print(workers.workers_for("auto", source, size=224, batch_size=64))

if __name__ == "elsewhere":
    pass
chosen()
"""
GUARDED = UNGUARDED.replace("elsewhere", "__main__").replace("    pass\n", "    chosen()\n")


def test_a_script_gets_processes_only_for_what_stands_under_its_guard(tmp_path):
    script = tmp_path / "script.py"
    for text, expected in ((UNGUARDED, "0"), (GUARDED, "31 0")):
        script.write_text(text)
        assert " ".join(run(script).split()) == expected
    assert run("-c", UNGUARDED) == "31\n"  # which no process imports


def run(*command):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
