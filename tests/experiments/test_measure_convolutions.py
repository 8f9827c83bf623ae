"""The command times every way that can compute a network's convolutions."""

import subprocess
import sys

from experiments.measure_convolutions import Arguments, problems_of


def test_the_convolutions_of_a_network_are_found_with_their_shapes():
    first, *_ = problems = list(problems_of("alexnet@67x4", Arguments()))
    assert len(problems) == 5
    assert (first.images, first.channels, first.features, first.groups) == (4, 3, 96, 1)
    assert (first.window.size, first.window.strides, first.window.map_size) == ((11, 11), (4, 4), (67, 67))
    assert [problem.groups for problem in problems] == [1, 2, 1, 2, 2]


def test_it_prints_every_way_the_chosen_one_and_what_the_fastest_would_save():
    command = [sys.executable, "-m", "experiments.measure_convolutions", "cifar_resnet20@8x4", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    (stem,) = [line for line in lines if line.startswith("| 3x3/1, 3 to 16, 4 x 8 x 8 | forward |")]
    assert all(f"{way} " in stem for way in ("small_cin", "winograd", "im2col", "direct")) and "| small_cin |" in stem
    assert "more ways than one; the chosen one is the fastest for" in done.stdout
