"""The embedded data set: which classes, which pixels, and what a build leaves behind."""

import hashlib
import io
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from cnn_evolution.data import open_source
from cnn_evolution.data.mini_ilsvrc import CLASS_NAMES, CLASSES, CONFLICTS, SHAPES, TEXTURES, Difficulty, render
from cnn_evolution.data.mini_ilsvrc.builder import MiniIlsvrc, example


def draw(label: int, seed: int, **difficulty: float) -> np.ndarray:
    return render(*CLASSES[label], np.random.default_rng(seed), Difficulty(**difficulty))


def test_there_are_100_classes_and_44_conflicts():
    assert len(set(CLASSES)) == len(set(CLASS_NAMES)) == 100
    assert len(CONFLICTS) == 44 and not set(CONFLICTS) & set(CLASSES)
    assert "striped_star" in CLASS_NAMES


def test_neither_cue_alone_leaves_five_classes_or_fewer():
    """Or top-5 error could be zero without the other cue."""
    for cue, names in ((0, SHAPES), (1, TEXTURES)):
        counts = Counter(pair[cue] for pair in CLASSES)
        assert len(counts) == len(names) and min(counts.values()) >= 8


def test_every_shape_and_texture_takes_part_in_a_conflict():
    assert {shape for shape, _ in CONFLICTS} == set(range(len(SHAPES)))
    assert {texture for _, texture in CONFLICTS} == set(range(len(TEXTURES)))


def test_the_same_seed_gives_the_same_pixels_on_every_machine():
    digest = hashlib.sha256()
    for label in range(0, 100, 3):
        digest.update(draw(label, seed=label).tobytes())
    assert digest.hexdigest() == "f14785b52fc7ed3403df84d7dd7018b4cfd1c2d8f81726c0eff1d1e228865aee"


def test_sizes_vary_within_their_ranges():
    shapes = [draw(label, seed=label).shape for label in range(40)]
    assert all(56 <= min(height, width) <= 80 for height, width, _ in shapes)
    assert all(max(height, width) <= 1.5 * min(height, width) + 1 for height, width, _ in shapes)
    assert len(set(shapes)) > 30


def test_mean_colours_do_not_tell_classes_apart():
    """The spread of classes' mean colours is no more than chance would have it."""
    colours = np.array(
        [[draw(label, seed=100 * label + i).mean((0, 1)) for i in range(6)] for label in range(0, 100, 5)]
    )
    between, within = colours.mean(1).std(0), colours.std(1).mean(0) / np.sqrt(6)
    assert (between < 2 * within).all()


def test_difficulty_changes_the_scene():
    assert not np.array_equal(draw(0, 0), draw(0, 0, clutter=0, rotation=0))


def test_splits_are_balanced_and_labelled(mini_dir):
    for split, per_class in (("train", 8), ("validation", 2)):
        source = open_source("mini_ilsvrc/tiny", split, data_dir=mini_dir)
        labels = Counter(source.records[index][1] for index in range(len(source)))
        assert labels == dict.fromkeys(range(100), per_class)
        assert source.class_names == CLASS_NAMES


def test_cue_conflicts_are_labelled_by_shape_and_by_texture(mini_dir):
    labels = {}
    for cue, names in (("shape", SHAPES), ("texture", TEXTURES)):
        source = open_source("mini_ilsvrc/tiny", "cue_conflict", data_dir=mini_dir, label=cue)
        assert source.class_names == names
        labels[cue] = [source.records[index][1] for index in range(len(source))]
    assert Counter(zip(labels["shape"], labels["texture"], strict=True)) == dict.fromkeys(CONFLICTS, 2)
    with pytest.raises(ValueError, match=r"no 'label'.*'shape', 'texture'"):
        open_source("mini_ilsvrc/tiny", "cue_conflict", data_dir=mini_dir)


def test_splits_share_no_image():
    first = {split: example(split, 0)["image"] for split in ("train", "validation")}
    assert first["train"] != first["validation"]


def test_files_are_jpegs_of_the_rendered_images():
    features = example("train", 17)
    image = Image.open(io.BytesIO(features["image"]))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert CLASSES[features["label"]] == (features["shape"], features["texture"])


def test_an_interrupted_build_leaves_no_data_set_and_can_be_repeated(tmp_path, monkeypatch):
    def interrupted(self, split):
        yield 0, example(split, 0) | {"image": io.BytesIO(example(split, 0)["image"])}
        raise KeyboardInterrupt

    left_by_a_kill = tmp_path / "mini_ilsvrc/tiny/incomplete.ABCDEF_1.0.0"
    left_by_a_kill.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(MiniIlsvrc, "_generate_examples", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_source("mini_ilsvrc/tiny", "train", data_dir=tmp_path)
    assert not any((tmp_path / "mini_ilsvrc/tiny").iterdir())
    assert len(open_source("mini_ilsvrc/tiny", "train", data_dir=tmp_path)) == 800


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot be built in .*file.*CNN_EVOLUTION_DATA"):
        open_source("mini_ilsvrc/tiny", "train", data_dir=tmp_path / "file")


def test_a_script_without_a_main_guard_is_told_and_does_not_hang(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from cnn_evolution.data import open_source\nprint(len(open_source('mini_ilsvrc/tiny', 'train')))\n"
    )
    environment = os.environ | {"CNN_EVOLUTION_DATA": str(tmp_path / "data"), "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 1 and "under `if __name__ ==" in done.stderr
