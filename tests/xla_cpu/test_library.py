"""Importing the package gives XLA's convolutions on a CPU to Eigen, unless the user says otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import jaxlib

from cnn_evolution.xla_cpu import library

# Which library a convolution of XLA's own went to.
SCRIPT = """
import jax, jax.numpy as jnp
from cnn_evolution import layers, xla_cpu
{before}
x, kernel = jnp.ones((4, 24, 24, 32)), jnp.ones((3, 3, 32, 32))
with layers.plain_convolutions():
    convolve = jax.jit(lambda x, kernel: layers.convolve(x, kernel, (1, 1), "SAME", dimension_numbers={layout}))
    print("ynn" in convolve.lower(x, kernel).compile().as_text())
"""
LAYOUT = ("NHWC", "HWIO", "NHWC")


def goes_to_ynnpack(before="", flags=""):
    script = SCRIPT.format(before=before, layout=LAYOUT)
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout == "True\n"


def test_convolutions_go_to_eigen_with_the_jaxlibs_that_were_tried():
    assert goes_to_ynnpack() == (jaxlib.__version__ not in library.JAXLIBS)


def test_and_to_what_jaxlib_prefers_when_the_flag_is_taken_back():
    assert goes_to_ynnpack(before="xla_cpu.leave_it_to_jaxlib()")


def test_the_users_own_choice_stays():
    assert goes_to_ynnpack(flags=f"{library.FLAG}=-reduce")


def test_other_flags_stay(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    monkeypatch.setattr(library, "JAXLIBS", (jaxlib.__version__,))
    library.ask_for_eigen()
    assert os.environ["XLA_FLAGS"] == f"--xla_force_host_platform_device_count=2 {library.EIGEN}"
    library.leave_it_to_jaxlib()
    assert os.environ["XLA_FLAGS"] == "--xla_force_host_platform_device_count=2"


def test_an_unknown_jaxlib_is_left_alone(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(library, "JAXLIBS", ("0.0.0",))
    library.ask_for_eigen()
    assert os.environ["XLA_FLAGS"] == ""


def test_the_jaxlib_of_the_requirements_is_one_that_was_tried():
    requirements = Path(__file__, "../../../requirements.txt").resolve().read_text().split()
    assert {f"jaxlib=={version}" for version in library.JAXLIBS} & set(requirements)
