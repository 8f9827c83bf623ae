"""What reading images and saving checkpoints cost on this machine."""

import io
import itertools
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from cnn_evolution.data import InceptionCrop, open_source, train_batches
from cnn_evolution.training.checkpoint import open_checkpoints
from cnn_evolution.training.state import TrainState

SIDES = (500, 375)  # pixels, the commonest of ImageNet
BATCH = 64


def images_per_core_second(image_bytes: float, seconds: float = 5.0) -> float:
    """Images of about so many bytes that a core reads, decodes, crops to 224 pixels and resizes in a second.

    Counts the processor time of all threads, so that what else runs on the machine does not matter.
    """
    with tempfile.TemporaryDirectory() as folder:
        for index in range(BATCH):
            path = Path(folder, "train", f"class{index % 2}", f"{index}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_photograph(index, image_bytes))
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


def _photograph(seed: int, image_bytes: float) -> bytes:
    """A JPEG file: smooth colours with as much fine grain as its size asks for."""
    rng = np.random.default_rng(seed)
    colours = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize(SIDES, Image.Resampling.BICUBIC)
    grain = rng.normal(size=(*reversed(SIDES), 1))
    for strength in itertools.count(1.0, 2.0):
        file = io.BytesIO()
        noisy = np.clip(np.asarray(colours) + strength * grain, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(file, "JPEG", quality=90)
        if file.tell() >= image_bytes or strength > 100:
            return file.getvalue()
    raise AssertionError


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
