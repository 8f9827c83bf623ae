import json

import pytest

from cnn_evolution.recipes import DataConfig, ModelConfig, Recipe, build, evaluate_runs, load_run, runs
from cnn_evolution.training.identity import FILE, as_json, identity

RECIPE = Recipe(
    model=ModelConfig(name="vgg11", width=0.0625),
    data=DataConfig(dataset="mini_ilsvrc/tiny", size=32),
    batch_size=2,
)


def test_an_ensemble_needs_runs_on_one_data_set(tmp_path, monkeypatch):
    task = build(RECIPE)
    other = vars(task) | {"evaluation": type(task.evaluation)("photos", "val", [], task.evaluation.class_names)}
    tasks = {tmp_path / "a": task, tmp_path / "b": type("Task", (), other)}
    monkeypatch.setattr(runs, "load_run", lambda directory, data_dir: (tasks[directory], None))
    with pytest.raises(
        ValueError, match=r"on one data set; these are on 'mini_ilsvrc/tiny' \(100 classes\) and 'photos'"
    ):
        evaluate_runs(list(tasks))


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(ValueError, match="expected the directory of at least one run"):
        evaluate_runs([])


def test_a_run_without_a_checkpoint_cannot_be_evaluated(tmp_path):
    (tmp_path / FILE).write_bytes(as_json(identity(build(RECIPE))))
    with pytest.raises(FileNotFoundError, match="train the run first"):
        evaluate_runs([tmp_path])


def test_a_run_of_no_recipe_is_said(tmp_path):
    (tmp_path / FILE).write_text('{"task": {"width": 3}, "frozen": null}')
    with pytest.raises(ValueError, match=r"holds no run of a recipe \(unknown recipe field width"):
        load_run(tmp_path)


def test_a_run_of_an_older_version_is_said(tmp_path):
    (tmp_path / "recipe.json").write_text(json.dumps({"model": {"name": "alexnet"}}))
    with pytest.raises(ValueError, match=r"holds a run of an older version, without config\.json"):
        load_run(tmp_path)
