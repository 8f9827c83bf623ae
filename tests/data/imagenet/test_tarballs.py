"""What is wrong with tar files, and where in them the images lie."""

import hashlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_evolution.data.imagenet.tarballs import (
    OFFICIAL,
    UNCHECKED,
    train_members,
    validation_members,
    wrong_contents,
    wrong_files,
)


def tar(files):
    content = io.BytesIO()
    with tarfile.open(mode="w", fileobj=content) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def test_the_right_files_have_nothing_wrong(fake):
    read = []
    assert wrong_files(fake.tarballs, fake.archives) == []
    assert wrong_contents(fake.tarballs, fake.archives, read.append) == []
    assert sum(read) == sum(archive.size for archive in fake.archives)


def test_all_that_is_missing_or_of_another_size_is_said_with_both_sizes(tmp_path):
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(b"cut")
    missing, cut = wrong_files(tmp_path, OFFICIAL)
    assert missing == f"{tmp_path}/ILSVRC2012_img_train.tar is missing"
    assert cut.endswith("ILSVRC2012_img_val.tar has 3 bytes, expected 6,744,924,160: it is truncated")


def test_a_changed_byte_is_found(few):
    path = few.tarballs / few.archives[1].name
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    assert wrong_files(few.tarballs, few.archives) == []
    (wrong,) = wrong_contents(few.tarballs, few.archives, lambda more: None)
    assert f"has the MD5 {hashlib.md5(data).hexdigest()}, expected {few.archives[1].md5}" in wrong


def test_unchecked_files_may_be_any_but_must_be_there(tmp_path):
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(b"any")
    assert wrong_files(tmp_path, UNCHECKED) == [f"{tmp_path}/ILSVRC2012_img_val.tar is missing"]
    assert wrong_contents(tmp_path, UNCHECKED, lambda more: None) == []


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.sampled_from(["n1", "n2", "n3"]), st.lists(st.integers(0, 1100), max_size=4)))
def test_members_are_where_their_bytes_are(tmp_path_factory, sizes):
    files = {
        synset: {f"{synset}_{number}.JPEG": bytes([number]) * size for number, size in enumerate(ones)}
        for synset, ones in sizes.items()
    }
    path = tmp_path_factory.mktemp("tar") / "train.tar"
    path.write_bytes(tar({f"{synset}.tar": tar(ones) for synset, ones in files.items()}))
    data = path.read_bytes()
    found = {(one.synset, one.name): data[one.offset : one.offset + one.size] for one in train_members(path)}
    assert found == {(synset, name): content for synset, ones in files.items() for name, content in ones.items()}


def test_validation_images_have_the_class_of_their_number(tmp_path):
    names = ["ILSVRC2012_val_00000003.JPEG", "./ILSVRC2012_val_00000001.JPEG", "._ILSVRC2012_val_00000001.JPEG"]
    (tmp_path / "val.tar").write_bytes(tar(dict.fromkeys(names, b"x")))
    found = [(member.name, member.synset) for member in validation_members(tmp_path / "val.tar", ["n1", "n2", "n3"])]
    assert found == [("ILSVRC2012_val_00000003.JPEG", "n3"), ("ILSVRC2012_val_00000001.JPEG", "n1")]


@pytest.mark.parametrize("name", ["ILSVRC2012_val_00000004.JPEG", "ILSVRC2012_val_00000000.JPEG", "val/1.JPEG"])
def test_a_file_that_is_none_of_the_validation_images_is_refused(name, tmp_path):
    (tmp_path / "val.tar").write_bytes(tar({name: b"x"}))
    with pytest.raises(ValueError, match=f"{name} in .*expected ILSVRC2012_val_00000001.JPEG to .*_00000003.JPEG"):
        list(validation_members(tmp_path / "val.tar", ["n1", "n2", "n3"]))


def test_files_that_are_cut_or_no_tar_files_are_refused(few, tmp_path):
    path = few.tarballs / "ILSVRC2012_img_train.tar"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="is no tar file, or is cut"):
        list(train_members(path))
    inner = tar({"n1_1.JPEG": bytes(3000)})[:2048]
    path.write_bytes(tar({"n1.tar": inner, "n2.tar": tar({"n2_1.JPEG": bytes(3000)})}))
    with pytest.raises(ValueError, match=r"n1\.tar in .* is cut within n1_1.JPEG"):
        list(train_members(path))
    path.write_bytes(b"no tar file")
    with pytest.raises(ValueError, match="is no tar file, or is cut"):
        list(train_members(path))
