import subprocess
import sys

import pytest
from PIL import Image

from experiments import input_speed
from experiments.input_speed import Arguments, measured, table, write_images


def test_files_are_as_large_as_those_of_imagenet(tmp_path):
    write_images(tmp_path, 4)
    files = sorted(tmp_path.glob("*/*.jpg"))
    assert [file.parent.name for file in files] == ["0", "0", "1", "1"]
    for file in files:
        assert 80_000 < file.stat().st_size < 120_000
        with Image.open(file) as image:
            assert image.width == 500 and 375 <= image.height <= 400


def test_readers_take_turns_and_what_may_have_been_ready_is_not_measured(monkeypatch):
    clock, read = [0.0], []

    def reader(name, seconds):
        while True:
            read.append(name)
            clock[0] += seconds
            yield

    monkeypatch.setattr(input_speed.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(input_speed, "REST", 0)
    rates = measured(
        {"ours": reader("ours", 0.5), "torchvision": reader("torchvision", 1)},
        Arguments(workers=2, batch_size=10, rounds=2, batches=3),
    )
    assert rates == {"ours": [20, 20], "torchvision": [10, 10]}
    turn = 4 * 2 + 3
    assert read == (["ours"] * turn + ["torchvision"] * turn) * 2


def test_what_counts_is_the_median_of_the_rounds():
    printed = table({"ours": [300.0, 200.0, 100.0], "torchvision": [100.0, 100.0, 100.0]})
    assert "200.0 images/s (100.0 to 300.0)" in printed
    assert "ours is 2.00 times as fast as torchvision (1.00 to 3.00)" in printed
    assert "times" not in table({"ours": [1.0]})


def test_the_command_measures_a_folder_of_ones_own(tmp_path):
    write_images(tmp_path / "train", 4)
    options = ["--input", "--workers", "0", "--rounds", "1", "--batches", "1", "--batch-size", "2", "--no-torch"]
    command = [sys.executable, "-m", "experiments.benchmark", tmp_path / "train", *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    assert "4 files in batches of 2, crops of 224 pixels, 0 workers" in done.stdout
    assert "500 x 3" in done.stdout and "libjpeg alone" in done.stdout and "ours " in done.stdout


@pytest.mark.parametrize("name", ["images", "batch_size", "rounds", "batches"])
def test_nothing_to_measure_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0, expected at least 1"):
        Arguments(**{name: 0})
