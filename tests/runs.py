"""Runs that tests of several files read, and the port over which the processes of one meet."""

import socket
from pathlib import Path

from cnn_evolution.recipes import DataConfig, ModelConfig, Recipe, train


def one_step(directory: Path) -> Path:
    """A run of one step in a directory named after its network."""
    recipe = Recipe(
        model=ModelConfig(name="vgg11", width=0.0625),
        data=DataConfig(dataset="mini_ilsvrc/tiny", size=32, evaluation_resize=36),
        batch_size=2,
        epochs=0.0025,
    )
    train(recipe, directory / "vgg11")
    return directory / "vgg11"


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
