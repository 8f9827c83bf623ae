"""Pictures of filters and maps."""

import csv
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import cnn_evolution as ce
from cnn_evolution.data import CenterCrop
from cnn_evolution.data.augment import Pixels
from experiments import filters as command


@pytest.fixture
def drawn(tmp_path, monkeypatch, draw_variables):
    """The pictures of a narrow network with drawn weights, and the variables."""

    def run(*arguments):
        Image.fromarray(np.arange(60 * 80 * 3, dtype=np.uint8).reshape(60, 80, 3)).save(tmp_path / "image.png")
        model = ce.create_model("alexnet", num_classes=10, width=0.25, input_size=48)
        variables = draw_variables(model, 48)
        spec = ce.model_info("alexnet")
        network = command.Network("alexnet", model, variables, Pixels(spec.mean, spec.std), CenterCrop(48, 54), "drawn")
        monkeypatch.setattr(command, "trained_network", lambda arguments: network)
        options = ["--image", str(tmp_path / "image.png"), "--output-dir", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", ["x", "alexnet", *options, *arguments])
        command.main()
        return tmp_path / "out", variables

    return run
