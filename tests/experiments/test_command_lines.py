"""The command lines, as a user starts them."""

import csv
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.evaluation.predictions import read_predictions
from cnn_evolution.evaluation.results import read_results
from cnn_evolution.jsonl import read_lines
from experiments import ilsvrc_curve
from tests.data.fake_imagenet import write_fake_imagenet
from tests.tiers import exhaustive


def run(module, *arguments, code=0, environment=None):
    """Standard output and error of a command that ends with `code`; `environment` is added to this process's."""
    command = [sys.executable, "-m", f"experiments.{module}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | (environment or {}))
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def run_here(monkeypatch, capsys):
    """As `run`, within this process: nothing is imported again."""

    def run_module(module, *arguments, code=0):
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        monkeypatch.delitem(sys.modules, f"experiments.{module}", raising=False)  # it is to run, not to be imported
        with pytest.raises(SystemExit) as exit:
            runpy.run_module(f"experiments.{module}", run_name="__main__", alter_sys=False)
        captured = capsys.readouterr()
        assert exit.value.code == code, captured
        return captured.out + captured.err

    return run_module


SMOKE = ("--preset", "smoke", "--models", "alexnet", "vgg11", "resnet18")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The curve in its smallest preset, of some of its networks."""
    directory = tmp_path_factory.mktemp("smoke")
    return directory, run("ilsvrc_curve", *SMOKE, "--output-dir", directory)


@exhaustive
def test_the_whole_curve_has_all_networks(tmp_path):
    output = run("ilsvrc_curve", "--preset", "smoke", "--output-dir", tmp_path)
    assert [line[6:22].strip() for line in output.splitlines() if "top-5 error" in line and line.startswith("20")] == [
        "AlexNet",
        "VGG-11",
        "VGG-11 + BN",
        "ResNet-18",
        "Ensemble",
        "SE-ResNet-18",
    ]


def test_the_curve_has_its_networks_as_picture_and_as_numbers(smoke):
    directory, output = smoke
    assert (directory / "curve.png").stat().st_size > 10_000
    with (directory / "curve.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["panel"] == "measured"]
    assert [row["model"] for row in rows] == ["alexnet", "vgg11", "resnet18", "ensemble"]
    assert all(row["data"] == "mini_ilsvrc/tiny" for row in rows)
    svg = (directory / "curve.svg").read_text()
    assert "Measured here on mini_ilsvrc/tiny, which is not ImageNet" in svg
    assert "curve.png" in output


def test_the_ensemble_is_of_the_trained_networks_before_it(smoke):
    directory, _ = smoke
    (result,) = read_results(directory / "seed0" / "ensemble")
    assert result.model == "alexnet+resnet18"


@pytest.mark.parametrize(
    ("models", "chosen"),
    [
        (("resnet18", "se_resnet18"), ["resnet18", "se_resnet18"]),  # of which one comes before the ensemble
        (("vgg11", "resnet18"), ["vgg11", "resnet18"]),  # VGG-11 without batch normalisation is no member
        (("alexnet", "resnet18"), ["alexnet", "resnet18", None]),
    ],
)
def test_an_ensemble_is_of_several_networks_before_it(models, chosen):
    assert [one.model for one in ilsvrc_curve.chosen(ilsvrc_curve.Arguments(models=models))] == chosen


def test_a_finished_curve_trains_nothing_again_and_gives_the_same_numbers(smoke):
    directory, output = smoke
    before = (directory / "curve.csv").read_bytes()
    metrics = [path.stat().st_mtime_ns for path in sorted(directory.rglob("metrics.jsonl"))]
    again = run("ilsvrc_curve", *SMOKE, "--output-dir", directory)
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


def test_two_runs_are_compared_image_by_image(smoke, tmp_path, run_here):
    directory, _ = smoke
    runs = [directory / "seed0" / name for name in ("alexnet", "resnet18")]
    file = tmp_path / "alexnet.jsonl"
    assert "top-1 error" in run_here("evaluate", runs[0], "--predictions", file, "--checkpoint", "best")
    output = run_here("compare", file, runs[1], "--batch-size", 7)
    errors = [read_results(one)[-1].top5_error for one in runs]
    assert f"top-5 error {errors[0]:.2f}% and {errors[1]:.2f}% of 200 images" in output
    assert f"difference {errors[1] - errors[0]:+.2f} points, 95% interval" in output and "McNemar's p = " in output
    assert "no difference that these images show" in run_here("compare", file, file)
    file.write_bytes(file.read_bytes().replace(b'"fingerprint": "', b'"fingerprint": "0', 1))
    assert "the two are on different images" in run_here("compare", file, runs[1], code=2)
    assert "no checkpoint of step 7" in run_here("evaluate", runs[0], "--checkpoint", 7, code=2)


def test_runs_say_what_they_see_in_photographs(smoke, tmp_path, run_here):
    directory, _ = smoke
    runs = [directory / "seed0" / name for name in ("alexnet", "resnet18")]
    photo = Path(__file__).parents[2] / "docs" / "mini_ilsvrc.jpg"
    networks = [ce.load(path=one) for one in runs]
    probabilities = np.mean([network.probabilities(photo)[0] for network in networks], axis=0)
    (line,) = run_here("classify", photo, "--network", *runs, "--json", "--k", 3).splitlines()
    answers = json.loads(line)["answers"]
    assert [answer["label"] for answer in answers] == np.argsort(-probabilities)[:3].tolist()
    assert all(answer["class"] == networks[0].classes[answer["label"]] for answer in answers)
    assert [answer["probability"] for answer in answers] == pytest.approx(sorted(probabilities)[:-4:-1], rel=1e-5)


@pytest.mark.parametrize(
    "module",
    [
        "train",
        "evaluate",
        "evaluate_pretrained",
        "compare",
        "ilsvrc_curve",
        "list_models",
        "benchmark",
        "cost_table",
        "filters",
        "degradation",
        "classify",
        "classify_speed",
        "linear_probe",
        "protocols",
        "scaling",
    ],
)
def test_help_explains(module, run_here):
    assert "--help" in run_here(module, "--help")


def test_help_of_a_recipe_explains_every_field(run_here):
    output = run_here("train", "mini-alexnet", "--help")
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
        (["train", "mini-alexnet", "--batch-size", "63", "--dry-run"], "nearest size that does is 64"),
        (["train", "alexnet", "--data-dir", "empty"], "python -m experiments.prepare_imagenet"),
        (["train", "alexnit"], "alexnet"),
        (["train", "mini-alexnet", "--optimizer", "adam"], "adamw"),
        (["train", "mini-alexnet", "--import", "no_such_module"], "no_such_module"),
        (["train", "mini-alexnet", "--import", "math"], "'math' defines no recipe"),
        (["train", "mini-alexnet", "--optimizer.learning-rat", "1"], "learning-rate"),
        (["train", "mini-alexnet", "--data.dataset", "mini_ilsvrc/tiny", "--freeze", "conv6"], "did you mean conv"),
        (["train", "mini-alexnet", "--data.dataset", "mini_ilsvrc/tiny", "--freeze", "*,fc8"], "freezes everything"),
        (["train", "mini-alexnet", "--model.pretrained", "nothing"], "'nothing' names no weights"),
        (["ilsvrc_curve", "--preset", "tiny"], "smoke"),
        (["ilsvrc_curve", "--seeds", "0"], "at least 1"),
        (["ilsvrc_curve", "--models", "vgg16"], "vgg11, vgg11_bn"),
        (["evaluate", "nothing"], "holds no run"),
        (["evaluate", "nothing", "--checkpoint", "worst"], "best"),
        (["evaluate", "gs://bucket/run"], "gcloud storage rsync --recursive gs://bucket/run DIRECTORY"),
        (["cost_table", "--output-dir=s3://bucket/x"], "--output-dir s3://bucket/x is an address"),
        (["evaluate_pretrained", "resnet18", "--data-dir", "memory://x"], "memory://x/imagenet2012 holds no data set"),
        (["compare", "nothing.jsonl", "none.jsonl"], "no file of predictions nothing.jsonl"),
        (["list_models", "--family", "Alex"], "AlexNet"),
        (["cost_table", "resnet5"], "resnet50"),
        (["cost_table", "alexnet", "--input-size", "38"], "at least 39 pixels"),
        (["filters", "--run", "nothing"], "holds no run"),
        (["filters", "--image", "nothing.jpg"], "no image nothing.jpg"),
        (["classify"], "no photograph is named"),
        (["classify", __file__, "nothing.jpg"], f"{__file__}: no image of a known kind"),
        (["classify_speed"], "there is nothing to measure"),
        (["filters", "resnet50"], "no mini recipe for 'resnet50'"),
        (["evaluate_pretrained", "googlenet"], "no weights of googlenet are known, but for googlenet_bn"),
        (["evaluate_pretrained", "resnet5O"], "resnet50"),
        (["evaluate_pretrained", "resnet50", "--tag", "V3"], "torchvision:IMAGENET1K_V2"),
        (["evaluate_pretrained", "resnet*", "--path", "a.npz"], "file of one network"),
        (["evaluate_pretrained", "resnet18", "--path", "a.npz"], "give the source: torchvision, pytorchcv"),
        (["filters", "resnet18", "--weights", __file__], "give the source: torchvision, pytorchcv"),
        (["evaluate_pretrained", "resnet18", "--data-dir", "empty"], "python -m experiments.prepare_imagenet"),
        (
            ["evaluate_pretrained", "resnet18", "--dataset", "mini_ilsvrc/tiny"],
            "has other classes (100) than imagenet2012 (1000)",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_named_with_what_is_valid_and_nothing_is_written(arguments, message, tmp_path, run_here):
    if arguments[0] == "train" and "alexnit" not in arguments[1]:
        arguments = [*arguments, "--run-dir", tmp_path / "run"]
    output = run_here(*arguments, code=2)
    assert message in output and "Traceback" not in output
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """A prepared ImageNet of 8 and 6 images."""
    return write_fake_imagenet(tmp_path_factory.mktemp("data"), train=8, validation=6)


@exhaustive
def test_a_recipe_of_ones_own_is_trained_by_its_name_and_resumed_and_evaluated(tmp_path):
    (tmp_path / "my_recipes.py").write_text(
        "import dataclasses\n"
        "from cnn_evolution.recipes import smoke_recipe\n"
        "my_alexnet = dataclasses.replace(smoke_recipe('alexnet'), seed=7)\n"
    )
    home = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    arguments = ("--import", "my_recipes", "my_alexnet", "--run-dir", tmp_path / "run")
    output = run("train", *arguments, environment=home)
    (result,) = read_results(tmp_path / "run")
    assert result.config["task"]["seed"] == 7 and f"top-1 error {result.top1_error:.2f}%" in output
    assert "another task" in run("train", *arguments, "--seed", 8, code=2, environment=home)
    assert f"top-1 error {result.top1_error:.2f}%" in run("evaluate", tmp_path / "run")  # without the module


@exhaustive
def test_a_network_of_ones_own_is_listed_trained_and_evaluated_like_ours(tmp_path):
    (tmp_path / "my_networks.py").write_text(
        "import flax.linen as nn\n"
        "import cnn_evolution as ce\n"
        "class Mine(nn.Module):\n"
        "    num_classes: int = 10\n"
        "    @nn.compact\n"
        "    def __call__(self, images, *, train=False):\n"
        "        x = nn.relu(nn.Conv(8, (3, 3), (4, 4), name='conv')(images))\n"
        "        return nn.Dense(self.num_classes, name='fc')(x.mean((1, 2)))\n"
        "ce.register(ce.ModelSpec(name='mine', build=Mine, family='Mine', year=2026))\n"
    )
    home = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    listed = run("list_models", "--import", "my_networks", "mine", environment=home)
    assert listed.splitlines()[-1].split("\t")[:6] == ["2026", "Mine", "mine", "314", "677456", "224"]
    small = ("--model.name", "mine", "--data.dataset", "mini_ilsvrc/tiny", "--epochs", 0.3)
    directory = tmp_path / "run"
    arguments = ("--import", "my_networks", "mini-resnet18", "--model.width", 1, *small, "--run-dir", directory)
    _, _, errors = run("train", *arguments, environment=home).splitlines()[-1].partition(": ")
    assert f"mine: {errors}" in run("evaluate", directory, "--import", "my_networks", environment=home)
    assert "no model 'mine'" in run("evaluate", directory, code=2)
    assert "not_there" in run("list_models", "--import", "not_there", code=2)


@pytest.mark.parametrize(
    ("number", "code", "workers"),
    [
        (signal.SIGTERM, 143, 0),
        pytest.param(signal.SIGTERM, 143, 2, marks=exhaustive),
        pytest.param(signal.SIGINT, 130, 0, marks=exhaustive),
        pytest.param(signal.SIGINT, 130, 2, marks=exhaustive),
    ],
)
def test_a_signal_to_the_whole_group_saves_a_checkpoint_and_has_its_own_code(tmp_path, number, code, workers):
    arguments = ["mini-alexnet", "--data.dataset", "mini_ilsvrc/tiny", "--model.width", "0.0625", "--epochs", "500"]
    options = ["--run-dir", tmp_path, "--log-every", "1", "--workers", str(workers)]
    command = [sys.executable, "-m", "experiments.train", *arguments, *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not read_lines(tmp_path / "metrics.jsonl"):
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.05)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    step = max(int(path.name) for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit())
    assert f"interrupted: stopped after step {step} of" in said
    assert "leaked" not in said and "resource_tracker" not in said


def test_a_diverging_run_has_a_code_of_its_own(tmp_path, run_here):
    arguments = ["mini-alexnet", "--data.dataset", "mini_ilsvrc/tiny", "--model.width", 0.0625, "--run-dir", tmp_path]
    output = run_here("train", *arguments, "--optimizer.learning-rate", 1e20, "--optimizer.clip-norm", 0, code=3)
    assert "diverged: step" in output and "last checkpoint is from before" in output


def test_a_dry_run_says_what_a_run_takes_and_writes_nothing(tmp_path, run_here):
    recipe = ["mini-alexnet", "--data.dataset", "mini_ilsvrc/tiny", "--model.width", 0.0625, "--epochs", 0.04]
    arguments = ["train", *recipe, "--batch-size", 16, "--run-dir", tmp_path / "run"]
    output = run_here(*arguments, "--dry-run")
    assert not list(tmp_path.iterdir())
    network = ce.create_model("alexnet", num_classes=100, width=0.0625, input_size=48)
    parameters, macs = ce.analysis.cost(network, 48).params, ce.analysis.cost(network, 48).macs
    for words in (
        "800 images of mini_ilsvrc/tiny, split train, 200 images of mini_ilsvrc/tiny, split validation; 100 classes",
        f"{parameters:,} parameters; {macs:,} multiply-accumulates for an image of 48 pixels",
        "2 steps of 16 images (0.04 epoch(s)) on 2 device(s)",
        "the learning rate is 0.01 instead of 0.02, in proportion to the batch of 16 instead of 32 images",
        "would be begun; nothing was written",
    ):
        assert words in output
    assert 0 < float(re.search(r"memory of each device: ([\d.]+) GB", output)[1]) < 1
    assert "learning rate is" not in run_here(*arguments, "--optimizer.learning-rate", 0.02, "--dry-run")
    run_here(*arguments)
    assert "is finished and evaluated" in run_here(*arguments, "--dry-run")
    assert "another task" in run_here(*arguments, "--seed", 5, "--dry-run", code=2)


def test_a_run_is_fine_tuned_by_a_recipe_of_its_own_with_frozen_layers(smoke, tmp_path, run_here):
    run_dir = smoke[0] / "seed0" / "resnet18"
    start = ["mini-resnet18", "--model.pretrained", run_dir, "--model.width", 0.0625, "--freeze", "stem,stage1"]
    data = ["--data.dataset", "mini_ilsvrc/tiny", "--epochs", 0.16]
    arguments = ["train", *start, *data, "--run-dir", tmp_path / "run"]
    assert re.search(r"parameters, [\d,]+ of them frozen", run_here(*arguments, "--dry-run"))
    output = run_here(*arguments)
    assert f"fine-tuning resnet18 from {run_dir} without stem,stage1: 0.16 epoch(s) of 64 images a step, Sgd" in output
    before, after = (ce.load(path=path).variables for path in (run_dir, tmp_path / "run"))
    kept = {layer for layer in before["params"] if equal(before["params"][layer], after["params"][layer])}
    assert kept == {layer for layer in before["params"] if layer.startswith(("conv1", "bn1", "stage1"))}
    assert all(equal(*(tree["batch_stats"].get(layer) for tree in (before, after))) for layer in kept)


def equal(one, other):
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))


def test_another_update_rule_comes_with_its_own_defaults(run_here):
    output = run_here("train", "--optimizer", "adamw", "mini-alexnet", "--help")
    assert "--optimizer.b2" in output and "0.999" in output and "--optimizer.momentum" not in output
    assert "--optimizer.momentum" in run_here("train", "mini-alexnet", "--help")


@exhaustive
def test_the_full_recipes_run_on_a_prepared_imagenet(imagenet, tmp_path):
    changes = ["--epochs", 1, "--batch-size", 4, "--workers", 1]
    output = run("train", "resnet18", "--data-dir", imagenet, "--run-dir", tmp_path / "run", *changes)
    assert "on 6 images of imagenet2012, split validation (centre crop 224 of short side 256)" in output


def test_published_weights_are_evaluated_as_they_were_made_for_beside_their_published_errors(imagenet, tmp_path):
    shapes = jax.eval_shape(ce.create_model("se_resnet18").init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.01, np.float32), shapes)
    ce.pretrained.save_state_dict(tmp_path / "w.npz", ce.to_torch("se_resnet18", variables, source="timm"))
    arguments = ["--path", tmp_path / "w.npz", "--source", "timm", "--data-dir", imagenet, "--output-dir", tmp_path]
    arguments += ["--batch-size", 2, "--predictions", tmp_path / "new" / "p.jsonl"]
    output = run("evaluate_pretrained", "se_resnet18", *arguments)
    (result,) = read_results(tmp_path)
    assert f"se_resnet18  timm:in1k  top-1 error {result.top1_error:.2f}% (published 28.23%)" in output
    assert (result.images, result.protocol) == (6, "centre crop 224 of short side 256, bicubic")
    stored = read_predictions(tmp_path / "new" / "p.jsonl")
    assert stored.result == result and len(stored.answers) == 6
    assert result.config["pretrained"]["url"].endswith("seresnet18-4bb0ce65.pth")


@exhaustive
def test_compiled_programs_are_kept_and_not_compiled_again(imagenet, tmp_path):
    arguments = ["--data-dir", imagenet, "--epochs", 1, "--batch-size", 4, "--model.width", 0.0625, "--data.size", 64]
    home = {"CNN_EVOLUTION_DATA": str(tmp_path / "cache"), "JAX_COMPILATION_CACHE_DIR": ""}

    def programs(name, *options):
        run("train", "alexnet", *arguments, "--run-dir", tmp_path / name, *options, environment=home)
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("compiled/*/*-cache")}

    assert not programs("without", "--no-compilation-cache")
    kept = programs("first")
    assert kept and programs("second") == kept
