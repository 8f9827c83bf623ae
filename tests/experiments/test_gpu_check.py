"""The check of an accelerator: at toy sizes as a user starts it, and what it says where something does not hold."""

import json
import os
import subprocess
import sys
import time

import pytest

from experiments.contenders import Case
from experiments.gpu_check.jobs import NO_TIME, Job, run
from experiments.gpu_check.parity import LIMITS, compare
from experiments.gpu_check.report import NO_TORCH, Report, Row
from experiments.gpu_check.speed import Speed, _row
from tests.tiers import exhaustive

PARTS = ("parity", "memory", "smoke", "speed")


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The command on this machine's CPU: its table, and what it stored."""
    directory = tmp_path_factory.mktemp("gpu_check")
    command = [sys.executable, "-m", "experiments.gpu_check", "--output-dir", str(directory), "--seconds", "300"]
    one_device = os.environ | {"XLA_FLAGS": os.environ["XLA_FLAGS"].replace("device_count=2", "device_count=1")}
    done = subprocess.run(command, capture_output=True, text=True, env=one_device)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, {part: json.loads((directory / f"{part}.json").read_text()) for part in PARTS}


@exhaustive
def test_one_table_names_the_device_the_versions_and_every_part(checked):
    output, _ = checked
    first, _, *table = output.splitlines()
    assert first.startswith("1 x cpu (cpu); python 3.") and "Toy sizes" in first
    assert {line.count("|") for line in table} == {6}
    assert {line.split(" | ")[0].strip("| ") for line in table[2:]} == set(PARTS)


@exhaustive
def test_every_part_stores_its_numbers(checked):
    _, stored = checked
    (parity,) = stored["parity"]["rows"]
    assert len(parity["numbers"]["cpu"]) == len(parity["numbers"]["device"]) == 5 and parity["holds"]
    (memory,) = stored["memory"]["rows"]
    assert memory["numbers"]["fresh"]["donated"] and memory["numbers"]["resumed"]["donated"]
    assert stored["smoke"]["rows"][0]["numbers"]["waiting_for_input"] <= 1
    assert stored["speed"]["rows"][0]["numbers"]["images_per_second"]["ours"] > 0
    assert all(part["versions"]["jax"] for part in stored.values())


@pytest.mark.parametrize(("step", "value"), [(1, 1 + 2e-5), (5, 1 + 2e-3), (5, float("nan"))])
def test_losses_that_are_apart_do_not_hold(step, value):
    case, cpu = Case("alexnet", 64, 8, 1.0, "float32"), [1.0] * 5
    assert compare(case, cpu, cpu, None).holds
    assert step in LIMITS
    assert not compare(case, cpu, [*cpu[: step - 1], value, *cpu[step:]], None).holds


def test_what_does_not_hold_is_shown():
    report = Report("parity", [Row(what="a", result="b", holds=False)], {"c": NO_TIME})
    assert not report.holds
    assert list(report.lines()) == ["| parity | a | b |  | NO |", "| parity | c | left out | no time was left |  |"]


def test_what_fails_does_not_hold_and_what_is_left_out_for_want_of_time_or_torch_does():
    report = Report("smoke", [], {"curve": "RuntimeError: the curve failed"})
    assert not report.holds
    assert list(report.lines()) == ["| smoke | curve | left out | RuntimeError: the curve failed | NO |"]
    assert Report("speed", [], {"resnet50": NO_TIME, "torch": NO_TORCH}).holds


def test_the_use_of_the_device_follows_from_its_data_sheet():
    case, half_a_second = Case("resnet50", 224, 256, 1.0, "bfloat16"), Speed((0.5,), 1.0)
    row = _row(case, half_a_second, {"torch": {"resnet50": Speed((1.0,), 1.0)}}, "NVIDIA H200")
    assert row.numbers["mfu"] == pytest.approx(6 * 4_089_184_256 * 512 / 989e12)
    assert row.beside == "torch 256 (2.00)"


def counting():
    yield "one", 1
    yield "two", MemoryError("too large\nby far")
    yield "three", int(os.environ["THREE"])
    time.sleep(60)
    yield "four", 4


def dying():
    yield "one", 1
    os._exit(1)


def test_a_job_that_has_no_time_left_keeps_what_it_had_measured():
    job = Job("a", ("one", "two", "three", "four"), counting, environment={"THREE": "3"})
    began = time.monotonic()
    outcome = run([job], began + 10)["a"]
    assert outcome.values == {"one": 1, "three": 3}
    assert outcome.missing == {"two": "MemoryError: too large", "four": "no time was left"}
    assert time.monotonic() - began < 30 and "THREE" not in os.environ


def test_a_job_whose_process_dies_leaves_the_others_alone():
    outcomes = run([Job("a", ("one", "two"), dying), Job("b", ("one", "three"), failing)], time.monotonic() + 60)
    assert outcomes["a"].values == {"one": 1} and outcomes["a"].missing == {"two": "its process died"}
    assert outcomes["b"].values == {"one": 1} and outcomes["b"].missing == {"three": "ValueError: no such thing"}


def failing():
    yield "one", 1
    raise ValueError("no such thing")
