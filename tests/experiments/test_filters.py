"""Pictures of filters and maps."""

import csv
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import cnn_evolution as ce
from cnn_evolution.data import CenterCrop
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.pixels import Pixels
from experiments import filters as command


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Runs the command on a narrow network with drawn weights; returns its directory and its variables."""
    model = ce.create_model("alexnet", num_classes=10, width=0.25, input_size=48)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 48, 48, 3)))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32) / 10, shapes)
    start = jax.tree.map(lambda leaf: np.full_like(leaf, 0.25), variables)
    spec = ce.model_info("alexnet")
    classifier = Classifier(
        name="alexnet",
        model=model,
        pixels=Pixels(spec.mean, spec.std),
        variables=variables,
        crop=CenterCrop(size=48, resize=54),
        config={},
    )
    Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8)).save(tmp_path / "image.png")
    monkeypatch.setattr(
        command, "trained_network", lambda arguments: command.Network(classifier, "drawn weights", start)
    )

    def run(*arguments):
        options = ["--image", str(tmp_path / "image.png"), "--output-dir", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", ["x", "alexnet", *options, *arguments])
        command.main()
        return tmp_path / "out", variables

    return run


def test_filters_and_maps_are_drawn_twice_with_their_numbers(draw):
    directory, _ = draw()
    assert sorted(path.name for path in directory.iterdir()) == [
        f"alexnet_{what}.{kind}" for what in ("filters", "maps") for kind in ("csv", "png", "svg")
    ]
    assert "24 filters of 11 x 11 pixels" in (directory / "alexnet_filters.svg").read_text()
    assert "Drawn weights" in (directory / "alexnet_maps.svg").read_text()


def test_the_numbers_beside_the_filters_are_the_weights(draw):
    directory, variables = draw()
    kernel = variables["params"]["conv1"]["kernel"]
    rows = list(csv.DictReader((directory / "alexnet_filters.csv").read_text().splitlines()))
    assert len(rows) == kernel.size
    row = rows[1 + 3 * (2 + 11 * (7 + 11 * 5))]  # filter 5, row 7, column 2, green
    assert (row["filter"], row["row"], row["column"], row["channel"]) == ("5", "7", "2", "G")
    assert float(row["weight"]) == pytest.approx(kernel[7, 2, 1, 5], rel=1e-5)


def test_the_change_since_the_start_can_be_shown_instead(draw):
    directory, variables = draw("--show", "change")
    assert "change since the random start" in (directory / "alexnet_filters.svg").read_text()
    first = next(csv.DictReader((directory / "alexnet_filters.csv").read_text().splitlines()))
    assert float(first["weight"]) == pytest.approx(variables["params"]["conv1"]["kernel"][0, 0, 0, 0] - 0.25, rel=1e-4)


def test_published_weights_have_no_known_start(draw, monkeypatch):
    network = command.trained_network(None)
    monkeypatch.setattr(
        command, "trained_network", lambda arguments: command.Network(network.classifier, "a zoo's weights")
    )
    with pytest.raises(ValueError, match="a zoo's weights: the weights that they started from are not known"):
        draw("--show", "change")


def test_the_strongest_channels_of_the_chosen_endpoints_are_shown(draw):
    directory, _ = draw("--endpoints", "pool1", "conv5")
    rows = list(csv.DictReader((directory / "alexnet_maps.csv").read_text().splitlines()))
    assert {row["endpoint"] for row in rows} == {"pool1", "conv5"}
    means = [
        np.mean([float(row["response"]) for row in rows if (row["endpoint"], row["map"]) == ("pool1", str(n))])
        for n in range(command.COLUMNS)
    ]
    assert means == sorted(means, reverse=True)


def test_an_unknown_endpoint_is_refused_before_anything_is_written(draw, tmp_path):
    with pytest.raises(ValueError, match="the endpoint 'pool3' does not exist; there are conv1, norm1, pool1"):
        draw("--endpoints", "pool3")
    assert not (tmp_path / "out").exists()
