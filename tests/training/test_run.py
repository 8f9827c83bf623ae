import pytest

from cnn_evolution.training import run
from cnn_evolution.training.recipe import DataConfig, ModelConfig, Recipe, to_json


def test_an_ensemble_needs_runs_on_one_data_set(tmp_path, monkeypatch):
    recipes = {
        tmp_path / name: Recipe(
            model=ModelConfig(name="vgg11", width=0.0625), data=DataConfig(dataset=name, size=32), batch_size=2
        )
        for name in ("mini_ilsvrc/tiny", "photos")
    }

    def load(directory, options):
        return type("Run", (), {"recipe": recipes[directory]}), None

    monkeypatch.setattr(run, "load_run", load)
    with pytest.raises(ValueError, match=r"on one data set; these are on 'mini_ilsvrc/tiny' and 'photos'"):
        run.evaluate_runs(list(recipes), run.RunOptions())


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(ValueError, match="expected the directory of at least one run"):
        run.evaluate_runs([], run.RunOptions())


def test_a_run_without_a_checkpoint_cannot_be_evaluated(tmp_path):
    recipe = Recipe(
        model=ModelConfig(name="vgg11", width=0.0625),
        data=DataConfig(dataset="mini_ilsvrc/tiny", size=32),
        batch_size=2,
    )
    (tmp_path / "recipe.json").write_text(to_json(recipe))
    with pytest.raises(FileNotFoundError, match="train the run first"):
        run.evaluate_runs([tmp_path], run.RunOptions())
