"""What reading images and saving checkpoints cost on this machine."""

import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from cnn_evolution.data import InceptionCrop, open_source, train_batches
from cnn_evolution.training.checkpoint import open_checkpoints
from cnn_evolution.training.state import TrainState
from experiments.input_speed import stand_in

HEIGHT = 375  # pixels; 500 x 375 are the commonest sides of ImageNet's images
BATCH = 64


def images_per_core_second(image_bytes: float, seconds: float = 5.0) -> float:
    """Images of about so many bytes that a core reads, decodes, crops to 224 pixels and resizes in a second.

    Counts the processor time of all threads, so that what else runs on the machine does not matter.
    """
    noise = next(noise for noise in range(1, 128) if len(stand_in(0, HEIGHT, noise)) >= image_bytes)
    with tempfile.TemporaryDirectory() as folder:
        for index in range(BATCH):
            path = Path(folder, "train", "class", f"{index}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stand_in(index, HEIGHT, noise))
        source = open_source("imagefolder", "train", data_dir=folder)
        batches = train_batches(source, batch_size=BATCH, crop=InceptionCrop(224), seed=0)
        next(batches)
        began, processor, images = time.monotonic(), time.process_time(), 0
        while time.monotonic() < began + seconds:
            next(batches)
            images += BATCH
        rate = images / (time.process_time() - processor)
        batches.close()
        return rate


def checkpoint_bytes_per_second(template: TrainState, saves: int = 3) -> float:
    """The median rate at which states of random numbers, which do not compress, are completely written."""
    rng = np.random.default_rng(0)

    def value(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        drawn = rng.standard_normal(leaf.shape, np.float32)
        return jax.device_put(drawn.astype(leaf.dtype), leaf.sharding)

    state = jax.tree.map(value, template)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for save in range(saves):
            began = time.monotonic()
            with open_checkpoints(Path(folder, str(save)), {}) as checkpoints:
                checkpoints.save(state)
            rates.append(size / (time.monotonic() - began))
    return float(np.median(rates))
