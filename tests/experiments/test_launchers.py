"""What `experiments/launch/` holds for clusters, run as there: two processes of two devices, with stand-ins for the rest.

`stand_ins/` has programs by the names of `srun`, `scontrol` and `gcloud`, which set the variables of theirs.
"""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cnn_evolution.evaluation.results import read_results
from cnn_evolution.jsonl import read_lines
from tests.tiers import exhaustive

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "experiments" / "launch"
TINY = "--data.dataset mini_ilsvrc/tiny --data.size 40 --data.evaluation-resize 44 --model.width 0.0625 --batch-size 16"
RUN = ("mini-alexnet", *TINY.split(), "--optimizer.learning-rate", "0.01", "--epochs", "0.24", "--log-every", "1")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def environment(**variables):
    """This process's, with the stand-ins and this Python first on the path."""
    path = [str(Path(__file__).parent / "stand_ins"), str(Path(sys.executable).parent), os.environ["PATH"]]
    added = {"PATH": os.pathsep.join(path), "PYTHONPATH": str(ROOT), "JAX_COORDINATOR_PORT": str(free_port())}
    return {**os.environ, **added, **variables}


def launched(script, *arguments, **variables):
    """Standard output and error of a script that was started in the repository's root, and its exit code."""
    command = ["bash", str(LAUNCH / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(**variables), timeout=120)
    return done.stdout + done.stderr, done.returncode


def slurm(*arguments, tasks=2, nodes=1, **variables):
    """The same of `slurm.sh` in a job of so many processes and nodes."""
    job = {"SLURM_JOB_ID": "7001", "SLURM_NTASKS": str(tasks), "SLURM_JOB_NUM_NODES": str(nodes)}
    return launched("slurm.sh", *arguments, **job, SLURM_CPUS_PER_TASK="0", **variables)


def check_finished(run_dir, output):
    (result,) = read_results(run_dir)
    assert result.images == 200
    assert output.count(f"alexnet: top-1 error {result.top1_error:.2f}%") == 1, "the first process says it alone"
    assert [record["step"] for record in read_lines(run_dir / "metrics.jsonl")] == list(range(1, 13))


def test_slurm_stops_at_its_limit_queues_itself_again_and_continues(tmp_path):
    run, told = tmp_path / "run", tmp_path / "told"
    begin = (*RUN, "--run-dir", run)
    output, code = slurm(*begin, STAND_IN_LIMIT=str(run / "metrics.jsonl"), STAND_IN_TOLD=str(told), nodes=2)
    assert code == 143, output
    assert "2 host(s), 2 process(es), 4 device(s) (cpu)" in output
    assert told.read_text() == "requeue 7001\n"
    step = int(re.search(r"stopped after step (\d+) of 12, which is saved", output)[1])

    told.unlink()
    output, code = slurm(*begin, STAND_IN_TOLD=str(told), nodes=2)
    assert code == 0, output
    assert f"continues after step {step} of 12" in output
    check_finished(run, output)
    assert not told.exists(), "a run that is done is not queued again"
