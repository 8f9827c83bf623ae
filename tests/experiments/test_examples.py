"""The examples at their smallest size: they run, they are short, and what each of them promises holds."""

import ast
import importlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cnn_evolution.evaluation.results import read_results
from cnn_evolution.jsonl import read_lines
from tests.tiers import exhaustive

EXAMPLES = Path(__file__).parents[2] / "experiments" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "__init__")


def example(name):
    return importlib.import_module(f"experiments.examples.{name}")


def test_there_is_one_for_everything_that_one_may_bring():
    assert NAMES == [
        "distillation",
        "frozen_body",
        "own_augmentation",
        "own_data",
        "own_loop",
        "own_network",
        "own_optimizer",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short_and_reads_no_private_name(name):
    text = (EXAMPLES / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 50
    tree = ast.parse(text)
    names = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert not [one for one in names if one.startswith("_")]


def test_a_network_is_resumed_after_a_kill_to_the_bit_and_evaluated(tmp_path, capsys):
    arguments = ["--data", "mini_ilsvrc/tiny", "--steps", "60"]
    example("own_network").main(tmp_path / "whole", "mini_ilsvrc/tiny", 60)
    command = [sys.executable, "-m", "experiments.examples.own_network", *arguments, "--run-dir", str(tmp_path / "cut")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not any(record["step"] >= 30 for record in read_lines(tmp_path / "cut" / "metrics.jsonl")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not read_results(tmp_path / "cut")
    example("own_network").main(tmp_path / "cut", "mini_ilsvrc/tiny", 60)
    whole, cut = (
        [(record["step"], record["loss"], record["gradient_norm"]) for record in read_lines(path / "metrics.jsonl")]
        for path in (tmp_path / "whole", tmp_path / "cut")
    )
    assert whole == cut and len(whole) == 6
    first, second = capsys.readouterr().out.splitlines()
    assert first == second and "on 200 images of mini_ilsvrc/tiny" in first


@exhaustive
def test_a_student_learns_from_a_frozen_teacher(tmp_path):
    example("distillation").main(tmp_path, quick=True)
    (record,) = read_lines(tmp_path / "student" / "metrics.jsonl")
    assert record["teacher_loss"] > 0
    assert read_results(tmp_path / "student")[0].model == "student"


@exhaustive
@pytest.mark.parametrize("name", ["own_augmentation", "own_optimizer"])
def test_augmentation_and_optimizers_replace_those_of_a_recipe(tmp_path, name):
    example(name).main(tmp_path, quick=True)
    (result,) = read_results(tmp_path)
    assert (result.model, result.images) == ("resnet18", 200)


def test_an_erased_square_is_noise_and_the_rest_stays():
    image = np.full((20, 20, 3), 128, np.uint8)
    changed = (example("own_augmentation").Erase(0.5)(image, np.random.default_rng(0)) != image).any(-1)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert len(rows) == len(columns) == 10 and changed.sum() == 100


def test_arrays_are_learned(tmp_path):
    example("own_data").main(tmp_path, images=400, steps=20)
    (result,) = read_results(tmp_path)
    assert (result.dataset, result.images) == ("stripes", 100)
    assert read_lines(tmp_path / "metrics.jsonl")[-1]["top1_error"] < 40  # in training; chance is 75


@exhaustive
def test_a_loop_of_ones_own_trains(capsys):
    example("own_loop").main("mini_ilsvrc/tiny", steps=3, width=0.0625)
    assert capsys.readouterr().out.startswith("top-1 error ")


def test_only_the_head_is_trained_over_a_frozen_body(tmp_path):
    example("frozen_body").main(tmp_path, quick=True)
    (result,) = read_results(tmp_path / "head")
    assert (result.model, result.split) == ("shape", "cue_conflict[80%:]")
