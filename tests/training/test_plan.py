import jax
import numpy as np
import pytest

from cnn_evolution.data import CorruptImageError
from cnn_evolution.training import RunOptions, fit
from cnn_evolution.training.plan import plan
from tests.training.test_fit import own_task


def test_a_plan_knows_what_a_run_takes(tmp_path):
    found = plan(own_task(), tmp_path / "run")
    assert (found.start, found.evaluated, found.parameters) == (0, False, 3 * 8 + 8 + 8 * 2 + 2)
    adam = 3 * found.parameters * 4  # parameters and two moments, float32
    assert adam < found.state_bytes < adam + 100 < found.step_bytes
    assert not list(tmp_path.iterdir())


def test_a_plan_goes_on_from_what_is_there(tmp_path):
    fit(own_task(), tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert plan(own_task(), tmp_path).start == 20 and plan(own_task(), tmp_path).evaluated
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(ValueError, match=r"another task.*seed"):
        plan(own_task(seed=5), tmp_path)


def test_what_a_run_would_stumble_over_is_found_before(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot be written: Not a directory: .*file"):
        plan(own_task(), tmp_path / "file" / "run")

    class Torn:
        identity = None

        def __len__(self):
            return 16

        def __getitem__(self, index):
            return b"torn", 0

    torn = type(own_task().train).__mro__[1]("torn", "all", Torn(), ("dark", "bright"))
    for part in ("train", "evaluation"):
        with pytest.raises(ValueError, match="no intact image"):
            plan(own_task(**{part: torn}), tmp_path / "run", RunOptions())
    assert issubclass(CorruptImageError, ValueError) and jax.device_count() == 2 and np
