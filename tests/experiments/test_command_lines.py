"""The command lines, as a user starts them."""

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_evolution.evaluation.results import read_results


def run(module, *arguments, code=0):
    """Standard output and error of a command that ends with `code`."""
    command = [sys.executable, "-m", f"experiments.{module}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The whole curve in its smallest preset."""
    directory = tmp_path_factory.mktemp("smoke")
    return directory, run("ilsvrc_curve", "--preset", "smoke", "--output-dir", directory)


def test_the_curve_has_its_networks_as_picture_and_as_numbers(smoke):
    directory, output = smoke
    assert (directory / "curve.png").stat().st_size > 10_000
    with (directory / "curve.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["panel"] == "measured"]
    assert [row["model"] for row in rows] == [
        "alexnet",
        "vgg11",
        "vgg11_bn",
        "resnet18",
        "ensemble",
        "se_resnet18",
    ]
    assert all(row["data"] == "mini_ilsvrc/tiny" for row in rows)
    svg = (directory / "curve.svg").read_text()
    assert "Measured here on mini_ilsvrc/tiny, which is not ImageNet" in svg
    assert "curve.png" in output


def test_the_ensemble_is_of_the_trained_networks_before_it(smoke):
    directory, _ = smoke
    (result,) = read_results(directory / "seed0" / "ensemble")
    assert result.model == "alexnet+vgg11_bn+resnet18"


def test_a_finished_curve_trains_nothing_again_and_gives_the_same_numbers(smoke):
    directory, output = smoke
    before = (directory / "curve.csv").read_bytes()
    metrics = [path.stat().st_mtime_ns for path in sorted(directory.rglob("metrics.jsonl"))]
    again = run("ilsvrc_curve", "--preset", "smoke", "--output-dir", directory)
    assert [path.stat().st_mtime_ns for path in sorted(directory.rglob("metrics.jsonl"))] == metrics
    assert (directory / "curve.csv").read_bytes() == before
    assert len(read_results(directory / "seed0" / "ensemble")) == 1
    assert "step" not in again and "step" in output


def test_runs_are_evaluated_alone_and_together(smoke):
    directory, _ = smoke
    runs = [directory / "seed0" / name for name in ("alexnet", "resnet18")]
    trained = read_results(runs[1])[-1]
    assert f"top-5 error {trained.top5_error:.2f}% on 200 images" in run("evaluate", runs[1])
    assert "alexnet+resnet18: top-1 error" in run("evaluate", *runs, "--batch-size", 50)


@pytest.mark.parametrize("module", ["train", "evaluate", "ilsvrc_curve", "list_models", "cost_table", "filters"])
def test_help_explains(module):
    assert "--help" in run(module, "--help")


def test_help_of_a_recipe_explains_every_field():
    output = run("train", "mini-alexnet", "--help")
    for field in ("--optimizer.learning-rate", "--schedule.warmup-epochs", "--data.dataset", "--workers", "--seed"):
        assert field in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "mini-alexnet", "--model.name", "alexnit"], "alexnet"),
        (["train", "mini-alexnet", "--data.dataset", "mini_ilsvrk"], "mini_ilsvrc"),
        (["train", "mini-alexnet", "--data.dataset", "mini_ilsvrc/tiny", "--data.train-split", "trian"], "train"),
        (["train", "mini-alexnet", "--batch-size", "63"], "nearest size that does is 64"),
        (["train", "mini-alexnet", "--data.size", "20"], "39"),
        (["train", "mini-alexnet", "--epochs", "0"], "epochs"),
        (["train", "alexnet", "--data-dir", "empty"], "tfds build imagenet2012"),
        (["train", "alexnit"], "alexnet"),
        (["train", "mini-alexnet", "--optimizer.learning-rat", "1"], "learning-rate"),
        (["ilsvrc_curve", "--preset", "tiny"], "smoke"),
        (["ilsvrc_curve", "--seeds", "0"], "at least 1"),
        (["evaluate", "nothing"], "holds no run"),
        (["list_models", "--family", "Alex"], "AlexNet"),
        (["cost_table", "resnet5"], "resnet50"),
        (["cost_table", "alexnet", "--input-size", "38"], "at least 39 pixels"),
        (["filters", "--run", "nothing"], "holds no run"),
        (["filters", "--image", "nothing.jpg"], "no image nothing.jpg"),
        (["filters", "resnet50"], "no mini recipe for 'resnet50'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_named_with_what_is_valid_and_nothing_is_written(arguments, message, tmp_path):
    if arguments[0] == "train" and "alexnit" not in arguments[1]:
        arguments = [*arguments, "--run-dir", tmp_path / "run"]
    output = run(*arguments, code=2)
    assert message in output and "Traceback" not in output
    assert not list(tmp_path.iterdir())


def test_the_full_recipes_run_on_a_prepared_imagenet(tmp_path):
    spec = importlib.util.spec_from_file_location("fake_imagenet", Path(__file__).parents[1] / "data/fake_imagenet.py")
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    data_dir = fake.write_fake_imagenet(tmp_path / "data", train=8, validation=6)
    changes = ["--epochs", 1, "--batch-size", 4, "--workers", 1]
    output = run("train", "resnet18", "--data-dir", data_dir, "--run-dir", tmp_path / "run", *changes)
    assert "on 6 images of imagenet2012, split validation (centre crop 224 of short side 256)" in output
