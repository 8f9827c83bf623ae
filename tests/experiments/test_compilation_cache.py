"""Where compiled programs are kept; that they are is tested with the command lines."""

from pathlib import Path

import jax

from experiments.compilation_cache import Compiling, directory, processor

CPUINFO = "processor\t: 0\nmodel name\t: A\nflags\t\t: avx avx2\ncpu MHz\t\t: {}\n\nprocessor\t: 1\nmodel name\t: A\n"


def cpuinfo(path, text):
    path.write_text(text)
    return path


def test_processors_of_one_kind_share_a_directory(tmp_path):
    one, other = (processor(cpuinfo(tmp_path / str(mhz), CPUINFO.format(mhz))) for mhz in (2400, 3100))
    assert one == other


def test_processors_of_other_instructions_have_one_of_their_own(tmp_path):
    one = processor(cpuinfo(tmp_path / "a", CPUINFO))
    assert one != processor(cpuinfo(tmp_path / "b", CPUINFO.replace("avx2", "avx2 avx512f")))
    assert one != processor(cpuinfo(tmp_path / "c", CPUINFO.replace("model name\t: A", "model name\t: B")))


def test_a_system_without_cpuinfo_has_a_directory_too(tmp_path):
    assert directory(tmp_path / "none").name != directory().name or not Path("/proc/cpuinfo").exists()


def test_the_directory_lies_under_the_cache_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("CNN_EVOLUTION_DATA", str(tmp_path))
    assert directory().parent == tmp_path / "compiled"


def test_a_directory_that_was_chosen_stays():
    before = jax.config.jax_compilation_cache_dir
    Compiling().keep_programs()
    assert before and jax.config.jax_compilation_cache_dir == before
