"""Data sets by name, and what a wrong name gets."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cnn_evolution.data import CenterCrop, evaluation_batches, open_source
from cnn_evolution.data.opening import image_files


def test_a_folder_of_images(folder):
    source = open_source("imagefolder", "train", data_dir=folder)
    assert (len(source), source.num_classes, source.class_names) == (6, 2, ("cat", "dog"))
    assert [source.records[index][1] for index in range(6)] == [0, 0, 0, 1, 1, 1]
    assert source.records[0][0] == (folder / "train/cat/0.jpg").read_bytes()


def test_folder_labels_agree_between_splits_that_lack_a_class(folder):
    for path in (folder / "val" / "cat").iterdir():
        path.unlink()
    (folder / "val" / "cat").rmdir()
    source = open_source("imagefolder", "val", data_dir=folder)
    assert source.records[0][1] == source.class_names.index("dog") == 1


def test_prepared_imagenet_by_name_and_by_path(imagenet_dir):
    source = open_source("imagenet2012", "train", data_dir=imagenet_dir)
    assert (len(source), source.num_classes, source.class_names[7]) == (24, 1000, "n01514668")
    data, label = source.records[0]
    assert Image.open(io.BytesIO(data)).size > (50, 50) and 0 <= label < 1000
    by_path = open_source(str(imagenet_dir / "imagenet2012" / "5.1.0"), "train")
    assert by_path.records[5] == source.records[5]


def test_its_odd_files_are_read_too(imagenet_dir):
    source = open_source("imagenet2012", "validation", data_dir=imagenet_dir)
    batches = list(evaluation_batches(source, batch_size=4, crop=CenterCrop(224, 256)))
    labels = np.concatenate([batch["label"] for batch in batches])
    assert (labels >= 0).sum() == 10


def test_a_part_of_a_split(imagenet_dir):
    whole = open_source("imagenet2012", "train", data_dir=imagenet_dir)
    part = open_source("imagenet2012", "train[75%:]", data_dir=imagenet_dir)
    assert len(part) == 6
    assert part.records[0] == whole.records[18]


@pytest.mark.parametrize(
    "name, split, error, message",
    [
        ("imagenet2021", "train", ValueError, "unknown data set 'imagenet2021': did you mean.*imagenet2012"),
        ("mini_ilsvrc/huge", "train", ValueError, "valid are mini_ilsvrc/full, mini_ilsvrc/tiny"),
        ("imagenet2012", "test", ValueError, "unknown split 'test' of 'imagenet2012'; valid are train, validation"),
        ("imagenet2012", "tset[:10%]", ValueError, "unknown split"),
        ("cifar10", "train", FileNotFoundError, "tfds build cifar10 --file_format=array_record"),
        ("./nowhere", "train", FileNotFoundError, "not a directory prepared by TFDS.*imagefolder"),
        ("imagefolder", "validation", ValueError, "unknown split 'validation' of the image folder.*imagenet2012"),
    ],
)
def test_wrong_names_are_answered_with_the_valid_ones(imagenet_dir, name, split, error, message):
    with pytest.raises(error, match=message):
        open_source(name, split, data_dir=imagenet_dir)


def test_missing_imagenet_says_how_to_prepare_it(tmp_path):
    command = f"python -m experiments.prepare_imagenet --tarballs DIRECTORY --data-dir {tmp_path}"
    with pytest.raises(FileNotFoundError, match=f"{command}, where DIRECTORY holds ILSVRC2012_img_train.tar"):
        open_source("imagenet2012", "train", data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match=f"{command} --short-side 320, where"):
        open_source("imagenet2012_short320", "train", data_dir=tmp_path)


def test_a_data_set_without_labels_is_refused(imagenet_dir, tmp_path):
    for file in (imagenet_dir / "imagenet2012/5.1.0").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    features = json.loads((tmp_path / "features.json").read_text())
    del features["featuresDict"]["features"]["label"]
    (tmp_path / "features.json").write_text(json.dumps(features))
    with pytest.raises(ValueError, match="expected the features 'image' and 'label'"):
        open_source(str(tmp_path), "train")


def test_tfrecord_files_say_how_to_convert_them(imagenet_dir, tmp_path):
    advice = {
        "imagenette/1.0.0": r"pip install 'cnn_evolution\[prepare\]', then tfds convert_format.*array_record",
        "imagenet2012/5.1.0": f"python -m experiments.prepare_imagenet --data-dir {tmp_path}",
    }
    for place, command in advice.items():
        copy = tmp_path / place
        copy.mkdir(parents=True)
        for file in (imagenet_dir / "imagenet2012/5.1.0").iterdir():
            (copy / file.name.replace("array_record", "tfrecord")).write_bytes(file.read_bytes())
        info = (copy / "dataset_info.json").read_text().replace("array_record", "tfrecord")
        (copy / "dataset_info.json").write_text(info)
        with pytest.raises(ValueError, match=command):
            open_source(str(copy), "train")


def test_importing_the_package_imports_neither_tfds_nor_grain():
    code = "import sys, cnn_evolution.data; sys.exit(bool({'grain', 'tensorflow_datasets'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_systems_and_tools_leave_behind_is_no_class_and_no_image(folder, caplog):
    before = [folder / name for name in ("train/cat/0.jpg", "train/cat/1.jpg", "train/cat/2.jpg")]
    for place in (".git/objects", "train/.ipynb_checkpoints", "train/__MACOSX/cat", "train/cat/.thumbs"):
        (folder / place).mkdir(parents=True)
        (folder / place / "x.jpg").write_bytes(before[0].read_bytes())
    for name in ("._0.jpg", ".DS_Store"):
        (folder / "train/cat" / name).write_bytes(b"left behind")
    source = open_source("imagefolder", "train", data_dir=folder)
    assert source.class_names == ("cat", "dog")
    assert [source.records.path(index) for index in range(3)] == before and len(source) == 6


def test_images_at_any_depth_are_read_as_torchvision_does(folder):
    (folder / "train/cat/more/deep").mkdir(parents=True)
    for name in ("more/a.JPG", "more/deep/b.png", "z.tif"):
        Image.new("RGB", (20, 20)).save(folder / "train/cat" / name)
    source = open_source("imagefolder", "train", data_dir=folder)
    assert [str(source.records.path(index).relative_to(folder / "train/cat")) for index in range(6)] == [
        "0.jpg",
        "1.jpg",
        "2.jpg",
        "z.tif",
        "more/a.JPG",
        "more/deep/b.png",
    ]


def test_what_is_left_out_and_what_surprises_is_said(folder, caplog):
    open_source("imagefolder", "train", data_dir=folder)
    (message,) = (record.message for record in caplog.records)  # about the notes
    assert "1 files in" in message and "are no images by their names" in message and "notes.txt" in message
    caplog.clear()
    for place in ("train/10", "train/9", "val/9"):
        (folder / place).mkdir()
    for path in [*(folder / "train/cat").iterdir(), *(folder / "train/dog").iterdir()]:
        path.rename(folder / "train/9" / f"{path.parent.name}{path.name}")
    for name in ("train/cat", "train/dog", "val/cat", "val/dog"):
        for path in (folder / name).iterdir():
            path.unlink()
        (folder / name).rmdir()
    source = open_source("imagefolder", "train", data_dir=folder)
    assert source.class_names == ("10", "9") and source.records[0][1] == 1
    said = "\n".join(record.message for record in caplog.records)
    assert "1 classes have no image" in said and "in the split train only: 10" in said
    assert "are numbers, but labels follow them as words: 10, 9" in said


def test_a_file_without_content_is_named(folder):
    (folder / "train/cat/1.jpg").write_bytes(b"")
    source = open_source("imagefolder", "train", data_dir=folder)
    with pytest.raises(ValueError, match=r"train/cat/1\.jpg is no intact image: it is empty\. That makes 1"):
        list(evaluation_batches(source, batch_size=6, crop=CenterCrop(8, 8)))
    (folder / "train/cat/1.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"train/cat/1\.jpg is no intact image: of no known kind"):
        list(evaluation_batches(source, batch_size=6, crop=CenterCrop(8, 8)))


def test_the_images_of_a_directory_are_found_at_any_depth_and_what_is_left_out_is_said(tmp_path, caplog):
    (tmp_path / "b" / ".hidden").mkdir(parents=True)
    for name in ("b/1.JPG", "b/2.png", "b/notes.txt", "b/.hidden/3.png", "a.webp"):
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)] == ["a.webp", "b/1.JPG", "b/2.png"]
    assert f"1 files in {tmp_path} are no images by their names: {tmp_path / 'b' / 'notes.txt'}" in caplog.text
    with pytest.raises(ValueError, match=r"no images in .*hidden/none; expected files that end in \.bmp, \.jfif"):
        (tmp_path / "b" / ".hidden" / "none").mkdir()
        image_files(tmp_path / "b" / ".hidden" / "none")
