"""From recipes to tasks, those that start from published weights among them."""

import dataclasses
import shutil
import sys

import jax
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.data import ArraySource, open_source
from cnn_evolution.jsonl import read_lines
from cnn_evolution.pixels import Pixels
from cnn_evolution.pretrained import Pretrained, save_state_dict
from cnn_evolution.pretrained.published import find_weights
from cnn_evolution.recipes import (
    AugmentConfig,
    DataConfig,
    ModelConfig,
    Recipe,
    Sgd,
    build,
    evaluate_runs,
    load_classifier,
    train,
)
from cnn_evolution.training import ColourNoise, CutMix, Mixup, OneOf, RunOptions
from cnn_evolution.training.fit import initial_state

BUILD = sys.modules["cnn_evolution.recipes.build"]
RECIPE = Recipe(
    model=ModelConfig(name="se_resnet18"),
    data=DataConfig(dataset="mini_ilsvrc/tiny", size=16, evaluation_resize=16, pixels="centred"),
    ema_decay=0.9,
)
OPTIONS = RunOptions(log_every=1)
CLASSES = open_source("mini_ilsvrc/tiny", "train").class_names


def with_model(**fields):
    return dataclasses.replace(RECIPE, model=dataclasses.replace(RECIPE.model, **fields))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Drawn weights of a zoo's network, and the file that they are in."""
    shapes = jax.eval_shape(ce.create_model("se_resnet18").init, jax.random.key(0), np.zeros((1, 64, 64, 3)))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), shapes)
    path = tmp_path_factory.mktemp("zoo") / "weights.safetensors"
    save_state_dict(path, ce.to_torch("se_resnet18", variables, source="timm"))
    return variables, path


def test_a_run_starts_from_the_weights_with_a_new_head_and_their_scale_of_pixels(published):
    variables, path = published
    task = build(with_model(pretrained=f"timm:{path}"))
    state = initial_state(task)
    weights = find_weights("se_resnet18")
    assert task.pixels == Pixels(weights.mean, weights.std)  # not "centred", as the recipe says
    assert jax.tree.all(jax.tree.map(np.array_equal, state.ema["params"], state.params))
    body, theirs = dict(state.params), dict(variables["params"])
    assert body.pop("fc")["kernel"].shape == (512, 100) and theirs.pop("fc")["kernel"].shape == (512, 1000)
    assert jax.tree.all(jax.tree.map(np.array_equal, body, theirs))
    assert jax.tree.all(jax.tree.map(np.array_equal, state.model_state["batch_stats"], dict(variables["batch_stats"])))


NARROW = dataclasses.replace(
    with_model(name="vgg11_bn", width=0.0625),
    data=DataConfig(
        dataset="mini_ilsvrc/tiny", size=32, evaluation_resize=32, mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0)
    ),
    optimizer=Sgd(learning_rate=1e-3),
    epochs=0.01,
    batch_size=8,
)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run of one step."""
    directory = tmp_path_factory.mktemp("run")
    train(NARROW, directory, OPTIONS)
    return directory


def further(run_dir, **changes):
    """The recipe that goes on from a run, with the pixels of the catalogue unless the run decides."""
    recipe = dataclasses.replace(NARROW, **changes)
    data = dataclasses.replace(recipe.data, mean=None, std=None)
    return dataclasses.replace(recipe, data=data, model=dataclasses.replace(recipe.model, pretrained=str(run_dir)))


def test_a_run_goes_on_from_another_with_its_averages_and_its_pixels(run_dir):
    task = build(further(run_dir))
    expected = load_classifier(run_dir).variables  # of moving averages
    start = initial_state(task)
    assert jax.tree.all(jax.tree.map(np.array_equal, {"params": start.params, **start.model_state}, expected))
    assert task.pixels == Pixels((0.1, 0.2, 0.3), (1.0, 1.0, 1.0))


def test_on_other_classes_the_head_starts_anew_even_if_there_are_as_many(run_dir, caplog):
    one, other = (ArraySource(np.zeros((4, 40, 40, 3), np.uint8), [0] * 4, names) for names in (CLASSES, CLASSES[::-1]))
    assert load_classifier(run_dir).classes == CLASSES
    kept, anew = (initial_state(build(further(run_dir), sources=(source, source))).params for source in (one, other))
    assert "fc8 start anew" in caplog.text
    assert not np.array_equal(kept.pop("fc8")["kernel"], anew.pop("fc8")["kernel"])
    assert jax.tree.all(jax.tree.map(np.array_equal, kept, anew))


def test_after_its_start_a_run_needs_the_other_no_more(run_dir, tmp_path):
    base = shutil.copytree(run_dir, tmp_path / "base")
    recipe = further(base, freeze="conv*")
    result = train(recipe, tmp_path / "further", OPTIONS)
    shutil.rmtree(base)
    assert evaluate_runs([tmp_path / "further"]).top1_error == result.top1_error
    assert load_classifier(tmp_path / "further").pixels == Pixels((0.1, 0.2, 0.3), (1.0, 1.0, 1.0))


def test_a_run_of_another_network_is_refused(run_dir):
    recipe = further(run_dir)
    with pytest.raises(ValueError, match=r"a run of vgg11_bn, which does not fill vgg13_bn"):
        build(dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, name="vgg13_bn")))


@pytest.mark.parametrize(
    ("running_statistics", "fixed"), [("frozen", {"bn1_1", "bn2_1"}), ("all", None), ("none", set())]
)
def test_frozen_layers_keep_their_statistics_unless_it_is_asked_otherwise(running_statistics, fixed):
    recipe = dataclasses.replace(NARROW, freeze="conv1_1,conv2_1", running_statistics=running_statistics)
    task = build(recipe)
    assert {path.split("/")[0] for path in task.frozen_params} == {"conv1_1", "bn1_1", "conv2_1", "bn2_1"}
    images = jax.random.normal(jax.random.key(1), (4, 32, 32, 3))
    variables = jax.jit(task.initial)(jax.random.key(0))
    rngs = {"dropout": jax.random.key(2)}
    _, new = task.model.apply(variables, images, train=True, rngs=rngs, mutable=["batch_stats"])
    old = variables["batch_stats"]
    kept = {layer for layer in old if np.array_equal(new["batch_stats"][layer]["mean"], old[layer]["mean"])}
    assert kept == (set(old) if fixed is None else fixed)


def test_weights_do_not_fit_a_narrow_network(published):
    narrow = with_model(pretrained=f"timm:{published[1]}", width=0.125)
    with pytest.raises(ValueError, match=r"do not fill this se_resnet18 \(as published it has width 1"):
        build(narrow)


def test_a_resumed_run_does_not_load_again(tmp_path, monkeypatch):
    recipe = dataclasses.replace(
        with_model(name="alexnet", width=0.0625, initialisation="he", pretrained="timm"),
        data=dataclasses.replace(RECIPE.data, size=40, evaluation_resize=44),
        optimizer=Sgd(learning_rate=1e-6),
        epochs=0.02,  # one step
        batch_size=32,
    )
    model, loads = ce.create_model("alexnet", width=0.0625, input_size=40, num_classes=100, initialisation="he"), []

    def load(name, **arguments):
        loads.append(arguments["source"])
        variables = model.init(jax.random.key(7), np.zeros((1, 40, 40, 3)))
        return Pretrained(model=model, variables=variables, pixels=None, crop=None, classes=())

    monkeypatch.setattr(BUILD, "find_weights", lambda *_, **__: find_weights("se_resnet18"))
    monkeypatch.setattr(BUILD, "load_weights", load)
    result = train(recipe, tmp_path, OPTIONS)
    assert result.config["task"]["model"]["pretrained"] == "timm" and len(read_lines(tmp_path / "metrics.jsonl")) == 1
    (tmp_path / "results.jsonl").unlink()
    assert train(recipe, tmp_path, OPTIONS) == result
    assert loads == ["timm"]


def test_a_missing_file_is_named_and_the_directory_is_free_for_another_task(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights file .*none\.npz"):
        train(with_model(pretrained=f"timm:{tmp_path / 'none.npz'}"), tmp_path / "run", OPTIONS)
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    ("pretrained", "message"),
    [
        ("torchvison", "'torchvison' names no weights; did you mean torchvision"),
        ("w.npz", "'w.npz' does not say whose names .* expected one of torchvision:w.npz, timm:w.npz"),
        ("pytorchcv", "no weights pytorchcv of se_resnet18; there are timm:in1k"),
        ("timm:v2", "no weights timm:v2 of se_resnet18; there are timm:in1k"),
    ],
)
def test_weights_that_there_are_not_are_named_before_anything_is_written(tmp_path, pretrained, message):
    with pytest.raises(ValueError, match=message):
        train(with_model(pretrained=pretrained), tmp_path / "run", OPTIONS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("config", "operations"),
    [
        (AugmentConfig(), ()),
        (AugmentConfig(pca_noise=0.1, mixup=0.2), (ColourNoise(0.1), Mixup(0.2))),
        (AugmentConfig(pca_noise=0.1, mixup=0.2, cutmix=1.0), (ColourNoise(0.1), OneOf((Mixup(0.2), CutMix(1.0))))),
    ],
)
def test_augmentation_of_batches_becomes_operations(config, operations):
    assert build(dataclasses.replace(RECIPE, augment=config)).batch_operations == operations


def test_synchronised_statistics_reach_the_model_that_is_trained_and_networks_without_any_take_no_notice():
    synchronised = dataclasses.replace(RECIPE, batch_statistics="synchronised")
    task = build(synchronised)
    assert (task.model.axis_name, task.loss.model.axis_name) == (None, "batch")
    plain = dataclasses.replace(
        synchronised,
        model=ModelConfig(name="alexnet", width=0.0625),
        data=dataclasses.replace(RECIPE.data, size=40, evaluation_resize=40),
    )
    assert build(plain).loss.model == build(plain).model
