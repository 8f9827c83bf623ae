"""Record files written once each."""

import collections
import shutil

import pytest
from array_record.python.array_record_data_source import ArrayRecordDataSource

from cnn_evolution.data.imagenet.reports import silent
from cnn_evolution.data.imagenet.shards import Ledger, Shard, alone, too_little_room, write_shards


class Numbers:
    """Shards of three records each, which count how often each was made."""

    def __init__(self, directory, count=4):
        self.made = collections.Counter()
        self.ledger = Ledger(directory / "ledger.jsonl", {"from": "numbers"})
        self.shards = [
            Shard(directory / f"n.array_record-{index}", 3, lambda index=index: self.records(index))
            for index in range(count)
        ]

    def records(self, index):
        self.made[index] += 1
        return [b"%d" % index * (index + 1)] * 3

    def write(self, reporter=silent, threads=1):
        if not self.ledger.begun():
            self.ledger.begin()
        return write_shards(self.shards, self.ledger, "numbers", reporter, threads)


@pytest.mark.parametrize("threads", [1, 3])
def test_each_shard_has_its_records_and_their_bytes_are_counted(threads, tmp_path):
    numbers = Numbers(tmp_path)
    assert numbers.write(threads=threads) == [3, 6, 9, 12]
    for index, shard in enumerate(numbers.shards):
        source = ArrayRecordDataSource([str(shard.path)])
        assert [source[place] for place in range(len(source))] == numbers.records(index)


def test_shards_that_are_there_are_not_made_again(tmp_path):
    broken, said = Numbers(tmp_path), []
    broken.shards[2] = Shard(broken.shards[2].path, 3, lambda: [1 / 0])
    with pytest.raises(ZeroDivisionError):
        broken.write()
    made = set(broken.made)

    def reporter(counted, total, done):
        said.append((counted, total, done))
        return silent(counted, total, done)

    again = Numbers(tmp_path)
    assert again.write(reporter) == [3, 6, 9, 12]
    assert set(again.made) | made == {0, 1, 2, 3}
    assert said == [("numbers", 12, 3 * (4 - len(again.made)))] and 0 not in again.made


def test_a_shard_of_another_size_is_made_again_and_what_a_killed_run_left_goes(tmp_path):
    numbers = Numbers(tmp_path)
    numbers.write()
    numbers.shards[1].path.write_bytes(b"half of it")
    numbers.shards[3].path.unlink()
    left = tmp_path / "n.array_record-3.77.tmp"
    left.write_bytes(b"half of it")
    numbers.made.clear()
    numbers.write()
    assert dict(numbers.made) == {1: 1, 3: 1} and not left.exists()


def test_a_shard_of_fewer_records_than_expected_is_not_written(tmp_path):
    numbers = Numbers(tmp_path, count=1)
    numbers.shards[0] = Shard(numbers.shards[0].path, 4, numbers.shards[0].records)
    with pytest.raises(ValueError, match=r"n\.array_record-0 has 3 records, expected 4"):
        numbers.write()
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.jsonl"]


def test_what_was_begun_from_something_else_is_refused(tmp_path):
    Numbers(tmp_path).write()
    other = Ledger(tmp_path / "ledger.jsonl", {"from": "letters", "more": 1})
    with pytest.raises(ValueError, match="was begun from something else: from, more differ"):
        other.begun()


def test_one_process_writes_to_a_directory(tmp_path):
    with alone(tmp_path / "new"), pytest.raises(OSError, match="another process writes in"), alone(tmp_path / "new"):
        pass


def test_too_little_room_is_said_with_what_is_there(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=999)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert too_little_room(tmp_path / "not/there", 999) == []
    assert too_little_room(tmp_path / "not/there", 1000) == [
        f"{tmp_path}/not/there has room for 999 bytes, expected 1,000"
    ]
