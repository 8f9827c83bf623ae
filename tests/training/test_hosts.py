"""Several devices, processes and hosts: one outcome, and one end; real processes that are really killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cnn_evolution.evaluation.results import read_results
from cnn_evolution.jsonl import read_lines
from cnn_evolution.training.checkpoint import steps_of
from cnn_evolution.training.fit import only_one_trains
from tests.runs import free_port
from tests.tiers import exhaustive

STEPS, INTERVAL = 10, 4  # of the task, and between its checkpoints


def start(run_dir, *, devices=2, processes=2, float64=False, event=()):
    """The processes of a run (`one_host.py`), each with so many devices."""
    port = free_port()
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_ENABLE_X64": str(int(float64))}
    command = [sys.executable, "-m", "tests.training.one_host", str(run_dir)]
    return [
        subprocess.Popen(
            [*command, str(process), str(processes), str(port), *event],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for process in range(processes)
    ]


def ended(hosts, timeout=240):
    """Each process's exit code, answers and messages."""
    found = [(*host.communicate(timeout=timeout), host.returncode) for host in hosts]
    return [(code, out, errors) for out, errors, code in found]


def run(run_dir, **how):
    """The losses of a run, its result, and the answers of all its processes, once it is done."""
    found = ended(start(run_dir, **how))
    assert not any(code for code, *_ in found), found
    answers = {image: best for _, out, _ in found for image, best in json.loads(out.splitlines()[-1]).items()}
    (result,) = read_results(run_dir)
    return losses(run_dir), result, answers


def losses(run_dir):
    lines = read_lines(run_dir / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    return [line["loss"] for line in lines]


@pytest.mark.parametrize(
    ("float64", "tolerance"), [(True, 1e-9), pytest.param(False, 1e-4, marks=exhaustive)], ids=["float64", "float32"]
)
def test_the_outcome_is_that_of_one_device_and_a_killed_process_changes_nothing(tmp_path, float64, tolerance):
    """On 8 devices of one process, and on 2 each of 2 processes, one of which is killed after step 6."""
    one, result, answers = run(tmp_path / "one", devices=1, processes=1, float64=float64)
    assert len(one) == STEPS and result.images == len(answers) == 200

    (host, killed) = start(tmp_path / "two", float64=float64, event=["SIGKILL 1 6"])
    assert killed.wait(timeout=240) == -signal.SIGKILL
    began = time.monotonic()
    ((code, _, errors),) = ended([host], timeout=60)
    assert time.monotonic() - began < 60 and code and "another has ended" in errors
    assert steps_of(tmp_path / "two" / "checkpoints") == [INTERVAL]

    for name, how in {"eight": {"devices": 8, "processes": 1}, "two": {}}.items():
        those, other, theirs = run(tmp_path / name, float64=float64, **how)
        np.testing.assert_allclose(those, one, rtol=tolerance)
        assert (other.top1_error, other.top5_error, other.images) == (result.top1_error, result.top5_error, 200)
        assert theirs == answers


@exhaustive
def test_a_run_goes_on_with_another_number_of_devices_and_says_what_that_changes(tmp_path):
    one, _, answers = run(tmp_path / "one", devices=1, processes=1, float64=True)
    (killed,) = start(tmp_path / "two", devices=8, processes=1, float64=True, event=["SIGKILL 0 6"])
    assert killed.wait(timeout=240) == -signal.SIGKILL
    hosts = ended(start(tmp_path / "two", float64=True))
    assert "after step 4 of 10 on 4 device(s) instead of 8; the outcome is the same to rounding" in hosts[0][2]
    np.testing.assert_allclose(losses(tmp_path / "two"), one, rtol=1e-9)
    assert {i: best for _, out, _ in hosts for i, best in json.loads(out.splitlines()[-1]).items()} == answers


@pytest.mark.parametrize(("signal_name", "process"), [("SIGTERM", 1), ("SIGINT", 0)])
@exhaustive
def test_a_signal_to_one_process_stops_all_after_the_same_step(tmp_path, signal_name, process):
    found = ended(start(tmp_path, event=[f"{signal_name} {process} 4"]))
    steps = [re.search(r"interrupted: stopped after step (\d+) of 10, which is saved", errors) for *_, errors in found]
    codes = [128 + signal.SIGTERM] * 2
    codes[process] = 128 + getattr(signal, signal_name)
    assert [code for code, *_ in found] == codes
    assert steps[0][1] == steps[1][1] == str(steps_of(tmp_path / "checkpoints")[0])
    assert len(run(tmp_path)[0]) == STEPS


@pytest.mark.parametrize("process", [0, 1])
@exhaustive
def test_an_error_of_one_process_ends_the_others(tmp_path, process):
    found = ended(start(tmp_path, event=[f"error {process} 6"]), timeout=60)
    assert found[process][0] == 2 and "error: an error of one process" in found[process][2]
    assert found[1 - process][0] not in (0, None)
    assert "another has ended" in found[1 - process][2] or "another task died" in found[1 - process][2]
    assert len(run(tmp_path)[0]) == STEPS


@exhaustive
def test_what_one_process_finds_wrong_all_report(tmp_path):
    """A checkpoint that one cannot read, another task, and a directory in which another run trains."""
    ended(start(tmp_path, event=["SIGTERM 0 4"]))
    (newest, *_) = steps_of(tmp_path / "checkpoints")
    found = ended(start(tmp_path, event=[f"unreadable 1 {newest}"]), timeout=60)
    assert [code for code, *_ in found] == [2, 2]
    assert f"another process cannot read the checkpoint of step {newest}" in found[0][2]
    assert "error: a stale file handle" in found[1][2]
    found = ended(start(tmp_path / "other", event=["seed 1 7"]), timeout=60)
    assert [code for code, *_ in found] == [2, 2] and "seed: 7 against 0" in found[1][2]
    assert all("the processes of this run have different tasks" in errors for *_, errors in found)
    assert not (tmp_path / "other").exists()
    with only_one_trains(tmp_path):
        found = ended(start(tmp_path), timeout=60)
    assert [code for code, *_ in found] == [2, 2] and all("another process trains in" in errors for *_, errors in found)
    assert len(run(tmp_path)[0]) == STEPS
