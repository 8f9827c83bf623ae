"""A run keeps nothing of what it has read."""

import json
import platform
import subprocess
import sys

import pytest

from cnn_evolution.recipes import smoke_recipe
from tests.tiers import exhaustive

SIZE = smoke_recipe("resnet18").data.size  # of an image, in pixels

# Eight epochs, each with an evaluation and a checkpoint; prints the bytes that the process holds from malloc, at five
# moments of each.
SCRIPT = """
import ctypes, dataclasses, gc, json, sys
from pathlib import Path
from cnn_evolution.recipes import smoke_recipe, train
from cnn_evolution.training import RunOptions

class MallInfo2(ctypes.Structure):
    names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in names]

def in_use():
    gc.collect()
    found = mallinfo2()
    return found.uordblks + found.hblkhd

if __name__ == "__main__":
    mallinfo2 = ctypes.CDLL("libc.so.6").mallinfo2
    mallinfo2.restype = MallInfo2
    recipe, held = dataclasses.replace(smoke_recipe("resnet18"), epochs=8.0, batch_size=32, ema_decay=0.99), []
    options = RunOptions(
        evaluate_every=1, log_every=5, workers=int(sys.argv[2]), on_metrics=lambda *_: held.append(in_use())
    )
    train(recipe, Path(sys.argv[1]), options)
    print(json.dumps(held))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallinfo2 is glibc's")
@pytest.mark.parametrize("workers", [0, 2])
@exhaustive
def test_memory_in_use_grows_by_less_than_a_quarter_of_the_images_that_are_read(tmp_path, workers):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    moments = json.loads(done.stdout)
    assert len(moments) == 8 * 5
    held = [min(moments[start : start + 5]) for start in range(0, 40, 5)]  # without what is passing
    # By the third epoch, two evaluations are over and two checkpoints written. Libraries still keep a buffer of
    # 3.5 MB or two for themselves at some moment after that.
    read = 5 * 25 * 32 * SIZE * SIZE * 3
    assert max(held[3:]) - held[2] < read / 4, held
