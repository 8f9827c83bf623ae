"""The same errors, and every image once, at any batch size, number of devices and number of processes."""

import json
import os
import subprocess
import sys

from tests.runs import free_port
from tests.tiers import exhaustive

BATCHES = (1, 7, 1000)

# One process of argv[2]; prints for each batch size the four counts and the ids of the images that it read.
SCRIPT = f"""
import dataclasses, json, sys
import jax
if __name__ == "__main__":
    if sys.argv[2] != "1":
        jax.distributed.initialize(f"127.0.0.1:{{sys.argv[3]}}", int(sys.argv[2]), int(sys.argv[1]))
    from cnn_evolution.data import open_source
    from cnn_evolution.evaluation.errors import evaluate_errors
    from tests.evaluation.test_errors import member
    source, found = open_source("mini_ilsvrc/tiny", "validation"), {{}}
    for batch_size in {BATCHES}:
        seen = []
        add = lambda ids, labels, scores: seen.extend(ids)
        counts = evaluate_errors([member(0), member(1, 32)], source, batch_size=batch_size, answered=add)
        found[batch_size] = [dataclasses.astuple(counts), seen]
    print(json.dumps(found))
"""


def found(devices, processes):
    """What each process printed."""
    port = str(free_port())
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    commands = [[sys.executable, "-c", SCRIPT, str(one), str(processes), port] for one in range(processes)]
    environment = {**os.environ, "XLA_FLAGS": flags}
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for command in commands
    ]
    ended = [(*one.communicate(timeout=240), one.returncode) for one in running]
    assert not any(code for *_, code in ended), ended
    return [json.loads(out.splitlines()[-1]) for out, *_ in ended]


@exhaustive
def test_errors_are_equal_and_every_image_counts_once():
    errors = set()
    for devices in (1, 2, 3, 8):
        for processes in (1, 2):
            answers = found(devices, processes)
            for batch_size in map(str, BATCHES):
                ids = [image for answer in answers for image in answer[batch_size][1]]
                assert sorted(ids) == sorted(f"validation/{index}" for index in range(200)), (devices, processes)
                errors |= {tuple(answer[batch_size][0]) for answer in answers}
    ((images, *_),) = errors
    assert images == 200
