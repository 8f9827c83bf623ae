"""Several hosts, as real processes that talk to one another."""

import json
import socket
import subprocess
import sys

import numpy as np

from cnn_evolution.jsonl import read_lines
from cnn_evolution.recipes import DataConfig, ModelConfig, Recipe, ScheduleConfig, Sgd, train
from cnn_evolution.recipes.config import to_dict
from cnn_evolution.training import RunOptions

# Without dropout, whose masks are drawn per device; in batches of 16, 12 steps with a checkpoint after every 5.
RECIPE = Recipe(
    model=ModelConfig(name="alexnet", width=0.0625, dropout=0.0, initialisation="he"),
    data=DataConfig(dataset="mini_ilsvrc/tiny", size=40, evaluation_resize=44),
    optimizer=Sgd(learning_rate=0.01),
    schedule=ScheduleConfig(name="constant"),
    epochs=0.24,
    batch_size=16,
)
OPTIONS = RunOptions(log_every=1, checkpoint_every=0.1)

HOST = """
import json, sys
from pathlib import Path
import jax
from cnn_evolution.recipes import train
from cnn_evolution.recipes.config import from_dict
from cnn_evolution.training import RunOptions
if __name__ == "__main__":
    jax.distributed.initialize(f"127.0.0.1:{sys.argv[4]}", 2, int(sys.argv[3]))
    train(from_dict(json.loads(sys.argv[1])), Path(sys.argv[2]), RunOptions(log_every=1, checkpoint_every=0.1))
"""


def run_on_two_hosts(recipe, run_dir):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", HOST, json.dumps(to_dict(recipe)), str(run_dir)]
    hosts = [
        subprocess.Popen([*command, str(host), str(port)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for host in range(2)
    ]
    for host in hosts:
        _, errors = host.communicate(timeout=120)
        assert host.returncode == 0, errors


def test_two_hosts_train_evaluate_and_resume_as_one_does(tmp_path):
    result = train(RECIPE, tmp_path / "one", OPTIONS)
    run_on_two_hosts(RECIPE, tmp_path / "two")
    (tmp_path / "two" / "results.jsonl").rename(tmp_path / "two" / "first.jsonl")
    run_on_two_hosts(RECIPE, tmp_path / "two")  # restores the last checkpoint and evaluates it again

    one, two = (read_lines(tmp_path / name / "metrics.jsonl") for name in ("one", "two"))
    assert [record["step"] for record in two] == list(range(1, 13))
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose([r[name] for r in two], [r[name] for r in one], rtol=1e-4)
    for name in ("first.jsonl", "results.jsonl"):
        (record,) = read_lines(tmp_path / "two" / name)
        assert record["images"] == result.images == 200
        assert abs(record["top1_error"] - result.top1_error) <= 1.0  # two of 200 images may lie on a border
