"""Command lines and `prepare_cpu` set what a CPU needs, for their own process alone; importing sets nothing."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import jaxlib
import pytest

from cnn_evolution import cpu_settings
from cnn_evolution.cpu_settings import EIGEN, FLAG, JAXLIBS, TUNABLES, computes_on_cpu, prefer_eigen, tuned

# Frees and takes 64 MiB again, and counts the pages that the kernel had to supply for it.
PAGES = """
import resource
import numpy as np
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    np.ones(2**23)
pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
"""

# Whether a convolution of XLA's own went to YNNPACK.
LIBRARY = """
import jax, jax.numpy as jnp
x, kernel = jnp.ones((4, 24, 24, 32)), jnp.ones((3, 3, 32, 32))
layout = ("NHWC", "HWIO", "NHWC")
convolve = jax.jit(lambda x, kernel: jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout))
ynnpack = "ynn" in convolve.lower(x, kernel).compile().as_text()
"""
REPORT = """
import json, os
print(json.dumps({name: value for name, value in globals().items() if name in ("pages", "ynnpack", "starts")}
    | {"environment": dict(os.environ)}))
"""
PREPARED = "from cnn_evolution.cpu_settings import prepare_cpu\nprepare_cpu()\n"

PLAIN = {
    name: value for name, value in os.environ.items() if name not in ("GLIBC_TUNABLES", "XLA_FLAGS", "JAX_PLATFORMS")
} | {"JAX_PLATFORMS": "cpu"}
FETCHED = 8 * 2**26 // 4096  # pages, where nothing is kept

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is nothing to set outside glibc")


def report(script: str, tmp_path: Path, **environment: str):
    """What a script of these parts reports of itself, as its last line."""
    (tmp_path / "script.py").write_text(script + REPORT)
    command = [sys.executable, tmp_path / "script.py"]
    environment = {**PLAIN, "PYTHONPATH": os.getcwd(), **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def visible(environment: dict[str, str]) -> dict[str, str]:
    """Without what Python itself sets and CUDA's libraries read."""
    return {name: value for name, value in environment.items() if name not in ("LC_CTYPE", "PYTHONPATH")}


def test_importing_the_package_changes_the_environment_no_more_than_importing_jax(tmp_path):
    modules = "from cnn_evolution import analysis, cpu_settings, layers, models, xla_cpu\n"
    ours, jax = report(modules, tmp_path), report("import jax\n", tmp_path)
    assert visible(ours["environment"]) == visible(jax["environment"])


@glibc
def test_a_prepared_script_keeps_the_memory_that_it_frees_and_its_environment(tmp_path):
    prepared = report(PREPARED + PAGES, tmp_path)
    assert prepared["pages"] < FETCHED / 100 < report(PAGES, tmp_path)["pages"]
    assert visible(prepared["environment"]) == visible(PLAIN)


def test_a_prepared_script_gives_convolutions_to_eigen_and_keeps_its_environment(tmp_path):
    prepared = report(PREPARED + LIBRARY, tmp_path)
    assert prepared["ynnpack"] == (jaxlib.__version__ not in JAXLIBS)
    assert "XLA_FLAGS" not in prepared["environment"]
    assert report(LIBRARY, tmp_path)["ynnpack"]


def test_flags_of_the_user_stay_and_hold(tmp_path):
    flags = "--xla_force_host_platform_device_count=3"
    counted = PREPARED + "import jax\nassert jax.device_count() == 3\n" + LIBRARY
    prepared = report(counted, tmp_path, XLA_FLAGS=flags)
    assert prepared["environment"]["XLA_FLAGS"] == flags
    assert prepared["ynnpack"] == (jaxlib.__version__ not in JAXLIBS)
    assert report(PREPARED + LIBRARY, tmp_path, XLA_FLAGS=f"{FLAG}=-reduce")["ynnpack"]


def test_a_worker_of_a_prepared_script_inherits_neither(tmp_path):
    script = """
import multiprocessing, os, sys
def look(queue):
    queue.put({name: os.environ.get(name) for name in ("GLIBC_TUNABLES", "XLA_FLAGS")} | {"argv": sys.argv[1:]})
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=look, args=(queue,))
    process.start()
    starts = queue.get(timeout=60)
    process.join()
"""
    main = "if __name__ == '__main__':\n    " + REPORT.strip().replace("\n", "\n    ")
    (tmp_path / "script.py").write_text(PREPARED + script + main)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        capture_output=True,
        text=True,
        check=True,
        env=PLAIN | {"PYTHONPATH": os.getcwd()},
    )
    assert json.loads(done.stdout.splitlines()[-1])["starts"] == {
        "GLIBC_TUNABLES": None,
        "XLA_FLAGS": None,
        "argv": [],
    }


@glibc
def test_a_command_starts_itself_again_with_the_settings_and_its_arguments(tmp_path):
    """Which Python says itself, at the start and at the end of each of the two processes."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, os, sys\n"
        "say = lambda: print(os.environ.get('GLIBC_TUNABLES'), sys.orig_argv[3:])\n"
        "say(), atexit.register(say)"
    )
    arguments = ["experiments.list_models", "vgg16", "--markdown"]
    environment = PLAIN | {"PYTHONPATH": f"{tmp_path}:{os.getcwd()}"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, check=True, env=environment
    )
    first, second, *_, last = done.stdout.splitlines()
    assert first == f"None {arguments[1:]}"
    assert second == f"{tuned({})['GLIBC_TUNABLES']} {arguments[1:]}"
    assert last == first
    assert done.stdout.count("configuration D") == 1


def test_where_jax_will_compute_on_another_device_nothing_is_set(monkeypatch):
    assert computes_on_cpu({"JAX_PLATFORMS": "cpu"}) and computes_on_cpu({"JAX_PLATFORMS": "cpu,cuda"})
    assert not computes_on_cpu({"JAX_PLATFORMS": "cuda"}) and not computes_on_cpu({"JAX_PLATFORMS": "cuda,cpu"})
    monkeypatch.setattr(cpu_settings.importlib.util, "find_spec", lambda name: None)
    assert computes_on_cpu({}) and computes_on_cpu({"JAX_PLATFORMS": ""})
    monkeypatch.setattr(cpu_settings.importlib.util, "find_spec", lambda name: object() if name == "libtpu" else None)
    assert not computes_on_cpu({})

    def fail(*_):
        raise AssertionError("the process would start itself again")

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr(cpu_settings.os, "execve", fail)
    monkeypatch.setattr(cpu_settings, "prefer_eigen", fail)
    cpu_settings.prepare_cpu()


def test_an_unknown_jaxlib_is_left_alone(monkeypatch):
    monkeypatch.setattr(cpu_settings.importlib.metadata, "version", lambda name: "0.0.0")
    monkeypatch.setitem(sys.modules, "jaxlib._jax", None)  # would fail if it were imported
    prefer_eigen()


def test_the_jaxlib_of_the_requirements_is_one_that_was_tried():
    requirements = Path(__file__, "../../requirements.txt").resolve().read_text().split()
    assert {f"jaxlib=={version}" for version in JAXLIBS} & set(requirements)
    assert EIGEN.startswith(FLAG)


def test_a_users_own_settings_of_glibc_stay():
    others = {"GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=4096", "HOME": "/"}
    assert tuned(others) == others | {
        "GLIBC_TUNABLES": ":".join([others["GLIBC_TUNABLES"], *(f"{name}={TUNABLES[name]}" for name in TUNABLES)])
    }
    assert tuned({"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"}) is None
