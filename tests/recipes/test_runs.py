import dataclasses
import itertools
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cnn_evolution.evaluation.predictions import collecting
from cnn_evolution.recipes import DataConfig, ModelConfig, Recipe, build, evaluate_runs, load_run, train
from cnn_evolution.training.identity import FILE, as_json, identity

RECIPE = Recipe(
    model=ModelConfig(name="vgg11", width=0.0625),
    data=DataConfig(dataset="mini_ilsvrc/tiny", size=32),
    batch_size=2,
)


def stored(run_dir, recipe=RECIPE, **data):
    """The directory of a run, as far as its identity."""
    run = identity(build(recipe))
    run["data"] |= data
    run_dir.mkdir()
    (run_dir / FILE).write_bytes(as_json(run))
    return run_dir


def test_an_ensemble_needs_runs_on_one_data_set(tmp_path):
    photos = identity(build(RECIPE))["data"]["evaluation"] | {"name": "photos"}
    runs = [stored(tmp_path / "a"), stored(tmp_path / "b", evaluation=photos)]
    with pytest.raises(ValueError, match=r"on one data set; these are on 'mini_ilsvrc/tiny' and 'photos'"):
        evaluate_runs(runs)
    with pytest.raises(ValueError, match=r"on other classes.*100 \(.*\) against 2 \(cat, dog\)"):
        evaluate_runs([runs[0], stored(tmp_path / "c", classes=["cat", "dog"])])


@pytest.fixture
def photos(tmp_path):
    """A folder of 12 images of two classes, and a run of two steps on it: data_dir, run_dir."""
    data_dir, pixels = tmp_path / "photos", np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), dtype=np.uint8)
    for split, name in itertools.product(("train", "val"), ("cat", "dog")):
        (data_dir / split / name).mkdir(parents=True)
        for number, image in enumerate(pixels[::2] if name == "cat" else pixels[1::2] // 8):
            Image.fromarray(image).save(data_dir / split / name / f"{number}.png")
    folder = DataConfig(dataset="imagefolder", evaluation_split="val", size=32, evaluation_resize=32)
    recipe = dataclasses.replace(RECIPE, data=folder, epochs=1)
    train(recipe, tmp_path / "run", data_dir=data_dir)
    return data_dir, tmp_path / "run"


def warnings_in(caplog):
    return [record.message for record in caplog.records if record.name.startswith("cnn_evolution")]


def test_evaluation_needs_its_own_split_only_and_finds_classes_by_name(photos, caplog):
    data_dir, run_dir = photos
    answers, dogs = {}, {}
    whole = evaluate_runs([run_dir], data_dir=data_dir, answered=collecting(answers))
    assert whole.images == 6 and not warnings_in(caplog)
    shutil.rmtree(data_dir / "train")
    assert evaluate_runs([run_dir], data_dir=data_dir, batch_size=5) == whole  # 5 is no multiple of the two devices
    shutil.rmtree(data_dir / "val" / "cat")
    alone = evaluate_runs([run_dir], data_dir=data_dir, answered=collecting(dogs))
    assert dogs == {name: answer for name, answer in answers.items() if "/dog/" in name}
    assert alone.classes == ["cat", "dog"] and alone.fingerprint != whole.fingerprint
    assert any("the 1 classes of imagefolder are found by name" in message for message in warnings_in(caplog))
    (data_dir / "val" / "dog").rename(data_dir / "val" / "wolf")
    with pytest.raises(ValueError, match=r"on other classes.*1 \(wolf\) against 2 \(cat, dog\)"):
        evaluate_runs([run_dir], data_dir=data_dir)


def test_other_images_of_a_split_are_said_at_evaluation(photos, caplog):
    data_dir, run_dir = photos
    (data_dir / "val" / "dog" / "0.png").unlink()
    assert evaluate_runs([run_dir], data_dir=data_dir).images == 5
    assert any("split val, with other images" in message for message in warnings_in(caplog))


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
