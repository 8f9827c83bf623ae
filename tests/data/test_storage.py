"""Data sets in object storage, of which fsspec's storage in memory is the stand-in."""

import os
import sys
from pathlib import Path

import fsspec
import pytest

from cnn_evolution.data import open_source
from tests.tiers import exhaustive

PLACE = "memory://bucket/data"


@pytest.fixture
def storage(imagenet_dir, monkeypatch, tmp_path):
    """Storage that holds a prepared data set, and an empty place for copies."""
    monkeypatch.setenv("CNN_EVOLUTION_DATA", str(tmp_path))
    files = fsspec.filesystem("memory")
    files.put(f"{imagenet_dir}/imagenet2012", f"{PLACE}/imagenet2012", recursive=True)
    yield files
    files.rm("/bucket", recursive=True)


@pytest.fixture
def copied(storage, monkeypatch):
    """The names of the files that are copied from now on."""
    names, get_file = [], storage.get_file
    monkeypatch.setattr(storage, "get_file", lambda *args: (names.append(Path(args[0]).name), get_file(*args)))
    return names


def shards(split: str) -> list[Path]:
    return sorted(
        Path(os.environ["CNN_EVOLUTION_DATA"], "copies/memory/bucket/data/imagenet2012/5.1.0").glob(f"*-{split}.*")
    )


@pytest.mark.parametrize("data_dir", [PLACE, f"{PLACE}/", Path(PLACE)])
def test_a_data_set_in_storage_is_the_same_as_on_a_disk(storage, imagenet_dir, data_dir):
    source = open_source("imagenet2012", "train[50%:]", data_dir=data_dir)
    local = open_source("imagenet2012", "train[50%:]", data_dir=imagenet_dir)
    assert source.fingerprint == local.fingerprint
    assert [source.records[i] for i in range(len(source))] == [local.records[i] for i in range(len(local))]


def test_only_the_shards_of_the_split_are_copied(storage):
    open_source("imagenet2012", "validation", data_dir=PLACE)
    assert shards("validation") and not shards("train")


def test_what_was_copied_is_not_copied_again(storage, copied):
    open_source("imagenet2012", "train", data_dir=PLACE)
    assert {"features.json", shards("train")[0].name} <= set(copied)
    copied.clear()
    open_source("imagenet2012", "train", data_dir=PLACE)
    assert copied == []


@pytest.mark.parametrize("change", ["cut short", "of another time", "absent"])
def test_a_copy_that_differs_from_its_original_is_made_again(storage, copied, imagenet_dir, change):
    open_source("imagenet2012", "train", data_dir=PLACE)
    shard = shards("train")[0]
    original = (imagenet_dir / "imagenet2012/5.1.0" / shard.name).read_bytes()
    if change == "absent":
        shard.unlink()
    else:
        times = shard.stat().st_atime_ns, shard.stat().st_mtime_ns
        shard.write_bytes(original[:-1] if change == "cut short" else bytes(len(original)))
        if change == "cut short":
            os.utime(shard, ns=times)
    copied.clear()
    open_source("imagenet2012", "train", data_dir=PLACE)
    assert copied == [shard.name] and shard.read_bytes() == original


def test_an_interrupted_copy_leaves_no_file_and_the_next_goes_on(storage, monkeypatch):
    get_file = storage.get_file

    def cut(original, temporary):
        get_file(original, temporary)
        if "array_record" in original:
            with open(temporary, "r+b") as file:
                file.truncate(100)

    monkeypatch.setattr(storage, "get_file", cut)
    with pytest.raises(OSError, match=r"memory://bucket/data cannot be copied.*has 100 bytes, expected"):
        open_source("imagenet2012", "validation", data_dir=PLACE)
    assert not shards("validation")
    monkeypatch.setattr(storage, "get_file", get_file)
    copies = Path(os.environ["CNN_EVOLUTION_DATA"]) / "copies"
    (killed := next(copies.rglob("features.json")).with_name("shard.1.tmp")).write_bytes(b"half")
    assert len(open_source("imagenet2012", "validation", data_dir=PLACE)) == 10
    assert not killed.exists()


def test_no_room_is_said_before_anything_is_copied(storage, monkeypatch, copied):
    open_source("imagenet2012", "train", data_dir=PLACE)
    copied.clear()
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 5}))
    with pytest.raises(OSError, match=r"copies need [\d,]+ bytes, and .* has 5 free; .*CNN_EVOLUTION_DATA"):
        open_source("imagenet2012", "validation", data_dir=PLACE)
    assert copied == []


@pytest.mark.parametrize(
    "name, data_dir, error, message",
    [
        ("cifar10", PLACE, FileNotFoundError, f"{PLACE}/cifar10 holds no data set that TFDS prepared"),
        ("imagenet2012", "memory://other", FileNotFoundError, "memory://other/imagenet2012 holds no data set"),
        ("imagenet2012", "nowhere://x", ValueError, "nowhere://x: Protocol not known"),
        ("imagefolder", "s3://b/photos", ValueError, "image folder.*aws s3 sync s3://b/photos DIRECTORY"),
        ("imagefolder", "gs://b/photos", ValueError, "gcloud storage rsync --recursive gs://b/photos DIRECTORY"),
        ("gs://b/imagenet2012", None, ValueError, "gs://b/imagenet2012 is an address; name the data set"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(storage, name, data_dir, error, message):
    with pytest.raises(error, match=message):
        open_source(name, "train", data_dir=data_dir)


@exhaustive
def test_a_data_set_in_s3_is_the_same_as_on_a_disk(imagenet_dir, monkeypatch, tmp_path):
    """With s3fs, against moto's server."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for variable, value in {
        "CNN_EVOLUTION_DATA": str(tmp_path),
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(variable, value)
    try:
        files = fsspec.filesystem("s3")
        files.mkdir("bucket")
        files.put(f"{imagenet_dir}/imagenet2012", "s3://bucket/data/imagenet2012", recursive=True)
        source = open_source("imagenet2012", "train", data_dir="s3://bucket/data")
        local = open_source("imagenet2012", "train", data_dir=imagenet_dir)
        assert [source.records[i] for i in range(len(source))] == [local.records[i] for i in range(len(local))]
    finally:
        server.stop()


def test_a_missing_shard_is_named(storage):
    (shard,) = [name for name in storage.find("/bucket") if "-train." in name]
    storage.rm(shard)
    with pytest.raises(FileNotFoundError, match=f"lacks 1 of 1 files, .*{Path(shard).name}"):
        open_source("imagenet2012", "train", data_dir=PLACE)


def test_the_package_that_an_address_needs_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(ModuleNotFoundError, match=r"gs://bucket/data: .*gcsfs"):
        open_source("imagenet2012", "train", data_dir="gs://bucket/data")
