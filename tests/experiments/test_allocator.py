import os
import platform
import subprocess
import sys

import pytest

from experiments.allocator import TUNABLES, tuned

# Frees and takes 64 MiB again, and counts the pages that the kernel had to supply for it.
SCRIPT = """
import resource
import numpy as np
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    np.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

UNTUNED = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is nothing to set outside glibc")


def output(*command, environment=UNTUNED):
    command = [sys.executable, *command]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@glibc
def test_freed_buffers_are_used_again_instead_of_fetched_from_the_system():
    pages = 8 * 2**26 // 4096
    assert int(output("-c", SCRIPT, environment=tuned(UNTUNED))) < pages / 100 < int(output("-c", SCRIPT))


@glibc
def test_a_command_starts_itself_again_with_the_settings(tmp_path):
    """Which Python says itself, at its end, of the command's environment."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, os, sys; atexit.register(lambda: print(os.environ.get('GLIBC_TUNABLES'), sys.argv[1:]))"
    )
    printed = output(
        "-m", "experiments.list_models", "vgg16", "--markdown", environment=UNTUNED | {"PYTHONPATH": str(tmp_path)}
    )
    assert printed.count("configuration D") == 1
    assert printed.splitlines()[-1] == f"{tuned({})['GLIBC_TUNABLES']} ['vgg16', '--markdown']"


def test_a_users_own_settings_stay():
    others = {"GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=4096", "HOME": "/"}
    assert tuned(others) == others | {
        "GLIBC_TUNABLES": ":".join([others["GLIBC_TUNABLES"], *(f"{name}={TUNABLES[name]}" for name in TUNABLES)])
    }
    assert tuned({"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"}) is None
