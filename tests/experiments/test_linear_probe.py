"""The linear probe's command, on a run and on a file of weights."""

import dataclasses
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.data import CenterCrop, open_source
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.evaluation.errors import evaluate_errors
from cnn_evolution.evaluation.results import read_results
from cnn_evolution.pretrained import save_state_dict
from cnn_evolution.training.features import headless
from cnn_evolution.training.probe import fit_probe, fit_ridge, probed
from experiments import command_line, linear_probe
from experiments.networks import load_network
from tests.runs import one_step

TINY = ("--dataset", "mini_ilsvrc/tiny")


@pytest.fixture
def run(monkeypatch, capsys):
    """Output of the command that ends with `code`."""

    def run_command(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["linear_probe", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            command_line.run(linear_probe.main)
        captured = capsys.readouterr()
        assert exit.value.code == code, captured
        return captured.out + captured.err

    return run_command


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return one_step(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Drawn weights of a published network, in a file, as the command names them."""
    shapes = jax.eval_shape(ce.create_model("squeezenet1_1").init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: np.abs(0.1 * rng.standard_normal(leaf.shape, np.float32)), shapes)
    path = tmp_path_factory.mktemp("weights") / "w.npz"
    save_state_dict(path, ce.to_torch("squeezenet1_1", variables, source="torchvision"))
    return f"squeezenet1_1:torchvision:{path}"


def test_the_result_is_that_of_the_network_with_the_fitted_classifier(run, run_dir, tmp_path):
    output = run(run_dir, *TINY, "--train-split", "train[:50%]", "--method", "ridge", "--output-dir", tmp_path)
    (result,) = read_results(tmp_path)
    (directory,) = (path for path in tmp_path.iterdir() if path.is_dir())
    stored = np.load(directory / "train.npz")
    source = open_source("mini_ilsvrc/tiny", "validation")
    body, config = headless(load_network(str(run_dir))), result.config
    assert config["train"]["split"] == "train[:50%]" and config["train"]["read"] == len(stored["labels"]) == 400
    assert config["evaluation"]["fingerprint"] == result.fingerprint == source.fingerprint
    held_out = config["held_out_errors"]
    assert f"{config['l2']:g}" == min(held_out, key=held_out.get)
    classifier = fit_probe(fit_ridge, stored["values"], stored["labels"], 100, l2=config["l2"]).classifier
    whole = probed(body, classifier, source.class_names)
    fields = {field: getattr(whole, field) for field in ("model", "pixels", "variables", "crop", "classes")}
    errors = evaluate_errors([Classifier(name="probed", config={}, **fields)], source, batch_size=64)
    assert (result.images, result.top1_error, result.top5_error) == (errors.images, errors.top1, errors.top5)
    assert f"ridge regression with L2 {config['l2']:g} on its features: top-1 error {errors.top1:.2f}%" in output
    assert re.search(r"other images of the kind: top-1 error \d+\.\d+ to \d+\.\d+% \(95% interval\)", output)


def test_features_are_computed_once_for_both_methods_and_anew_for_another_split(run, run_dir, tmp_path):
    arguments = (run_dir, *TINY, "--output-dir", tmp_path, "--l2", 1, "--train-split")
    run(*arguments, "train[:10%]")
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    again = run(*arguments, "train[:10%]", "--method", "ridge", "--batch-size", 30)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == times and "anew" not in again
    other = run(*arguments, "train[:20%]", "--method", "ridge")
    assert "split: 'train[:20%]' against 'train[:10%]'" in other
    assert [one.config["method"] for one in read_results(tmp_path)] == ["logistic", "ridge", "ridge"]
    assert read_results(tmp_path)[2].config["train"]["read"] == 160


def test_published_weights_see_images_of_the_size_that_is_asked_for(run, weights, tmp_path):
    run(
        weights, *TINY, "--size", 32, "--resize", 40, "--train-split", "train[:5%]", "--l2", 1, "--output-dir", tmp_path
    )
    (result,) = read_results(tmp_path)
    assert result.model == "squeezenet1_1" and result.protocol == str(CenterCrop(size=32, resize=40))
    assert result.config["pretrained"]["source"] == "torchvision"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet5O"], "resnet50"),
        (["resnet50:torchvison"], "torchvision"),
        (["resnet50:torchvision:w.npz"], "no weights file w.npz"),
        (["resnet50", "--dataset", "mini_ilsvrk"], "mini_ilsvrc"),
        (["resnet50", "--train-split", "trian"], "train"),
        (["resnet50", "--l2", "0"], "l2 is 0.0, expected a number above 0"),
        (["resnet50", "--seed", "-1"], "seed is -1"),
        (["resnet50", "--method", "svm"], "ridge"),
        (["resnet50", "--evaluation-split", "cue_conflict"], "has no 'label'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_named_and_nothing_is_written(arguments, message, run, tmp_path):
    output = run(*TINY, *arguments, "--output-dir", tmp_path / "out", code=2)
    assert message in output and "Traceback" not in output
    assert not list(tmp_path.iterdir())


def test_a_run_is_probed_as_it_was_trained(run, run_dir, tmp_path):
    assert "takes no input_size" in run(run_dir, *TINY, "--size", 48, "--output-dir", tmp_path, code=2)
    assert "resize is 31, expected at least size (32)" in run(
        run_dir, *TINY, "--resize", 31, "--output-dir", tmp_path, code=2
    )
    assert not list(tmp_path.iterdir())


def test_splits_of_other_classes_are_refused(run, run_dir, tmp_path, monkeypatch):
    def opened(name, split, **options):
        source = open_source(name, split, **options)
        names = (*source.class_names[:-1], "another")
        return source if split == "train" else dataclasses.replace(source, class_names=names)

    monkeypatch.setattr(linear_probe, "open_source", opened)
    output = run(run_dir, *TINY, "--output-dir", tmp_path, code=2)
    assert "train and validation have different classes from label 99 on" in output


def test_help_explains(run):
    assert "held-out fifth of the training split" in re.sub(r"\s+", " ", run("--help"))
