"""TFDS's imagenet2012 from the tar files, as ArrayRecord files, without TensorFlow.

Features, labels, version, the names of the files to re-encode, the order of the records and the lengths of the shards
are those of TFDS's own builder, and so are the records, but for what `reencoding` says. The builder sorts by a hash of
the file names, for which it writes all records twice. Here the headers of the tar files tell the order first; then each
shard reads its images from where they lie, so that no more room is needed, and a shard that is there stays.
"""

import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL

from cnn_evolution.data.imagenet.reencoding import rgb_jpeg, with_short_side
from cnn_evolution.data.imagenet.reports import Reporter, silent
from cnn_evolution.data.imagenet.shards import LEDGER, Ledger, Shard, alone, too_little_room, write_shards
from cnn_evolution.data.imagenet.tarballs import (
    SOURCE,
    Archive,
    Member,
    train_members,
    validation_members,
    wrong_contents,
    wrong_files,
)
from cnn_evolution.needed import needed_for

with needed_for("preparing ImageNet"):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.example_serializer import ExampleSerializer
    from tensorflow_datasets.core.hashing import Hasher
    from tensorflow_datasets.core.utils.shard_utils import ShardConfig, get_shard_boundaries
    from tensorflow_datasets.datasets.imagenet2012 import imagenet2012_dataset_builder as official

NAME = "imagenet2012"


def directory_of(data_dir: Path, short_side: int | None = None) -> Path:
    """Where the data set lies: `data_dir/imagenet2012/5.1.0`, or `imagenet2012_short320` for a short side of 320."""
    return Path(_builder(data_dir, short_side).data_dir)


def _builder(data_dir: Path, short_side: int | None) -> tfds.core.DatasetBuilder:
    builder_class = official.Builder
    if short_side is not None:  # under a name of its own, so that nobody takes it for the original
        with tfds.core.registered.skip_registration():
            name = f"{NAME}_short{short_side}"
            attributes = {"name": name, "pkg_dir_path": builder_class.pkg_dir_path, "code_path": None}
            builder_class = type("Builder", (builder_class,), attributes)
    return builder_class(data_dir=data_dir)


def prepare(
    tarballs: Path,
    data_dir: Path,
    archives: Sequence[Archive],
    *,
    short_side: int | None = None,
    threads: int = 1,
    reporter: Reporter = silent,
    shards: int | None = None,
) -> Path:
    """Writes the data set under `data_dir`, and returns its directory (see `directory_of`).

    It is written to `5.1.0.unfinished` beside it and renamed at the end. Started again with the same tar files, it goes
    on with the shards that are missing, and does not read the tar files' MD5 again if their sizes and times are the
    same. The directory keeps `preparation.jsonl`, which says from what it was made.

    Args:
        tarballs: The directory of the tar files.
        data_dir: Where prepared data sets lie.
        archives: What the tar files must be; `tarballs.OFFICIAL`.
        short_side: Re-encode images whose shorter side is longer (see `reencoding.with_short_side`).
        threads: How many shards are written at once; each holds one shard's images in memory, of ImageNet 140 MB.
        reporter: Opens reports on the bytes that are checked, the headers that are read and the images written.
        shards: How many each split has; None for TFDS's choice, by size.

    Raises:
        ValueError: Tar files are missing, or of another size or MD5, or hold what they should not; or what was begun
            was begun from others. All that is wrong with names, sizes and room is said at once.
        OSError: It is there already, cannot be written, or another process writes it.
    """
    builder = _builder(data_dir, short_side)
    final = Path(builder.data_dir)
    work = final.with_name(f"{final.name}.unfinished")
    if final.exists():
        raise FileExistsError(f"{final} is there already; delete it to prepare it anew")
    written = sum(path.stat().st_size for path in work.glob("*.array_record-*"))
    wrong = wrong_files(tarballs, archives)
    wrong += too_little_room(data_dir, sum(_size(tarballs / archive.name) for archive in archives) - written)
    if wrong:
        raise ValueError(f"{'; '.join(wrong)}. The tar files come from {SOURCE}")
    builder.info.set_file_format("array_record", override=True)
    splits = [_Split(builder, archive.split, tarballs / archive.name, work, short_side) for archive in archives]
    with alone(final.parent):
        ledger = Ledger(work / LEDGER, _origin(tarballs, archives, short_side, shards))
        begun = ledger.begun()
        if not begun:
            to_check = [archive for archive in archives if archive.md5 is not None]
            with reporter("bytes checked", sum(_size(tarballs / archive.name) for archive in to_check), 0) as report:
                if wrong := wrong_contents(tarballs, to_check, report):
                    raise ValueError(f"{'; '.join(wrong)}. Fetch them again from {SOURCE}")
        found = [split.members(archive.images, reporter) for split, archive in zip(splits, archives, strict=True)]
        if not begun:
            ledger.begin()
        infos = []
        for split, members in zip(splits, found, strict=True):
            wanted = split.shards(members, ShardConfig(num_shards=shards))
            sizes = write_shards(wanted, ledger, f"images of {split.name}", reporter, threads)
            infos.append(split.info([shard.length for shard in wanted], sum(sizes)))
        builder.info.set_splits(tfds.core.splits.SplitDict(infos))
        builder.info.download_size = 0
        builder.info.write_to_directory(work)
        os.rename(work, final)
    return final


def _origin(tarballs: Path, archives: Sequence[Archive], short_side: int | None, shards: int | None) -> dict[str, Any]:
    """What decides the bytes of the shards."""
    origin: dict[str, Any] = {"tfds": tfds.__version__, "pillow": PIL.__version__}
    origin |= {"short_side": short_side, "shards": shards}
    for archive in archives:
        found = (tarballs / archive.name).stat()
        origin[archive.name] = {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "md5": archive.md5}
    return origin


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@dataclass(frozen=True)
class _Split:
    """A split of the data set.

    Attributes:
        builder: TFDS's.
        name: `train` or `validation`.
        path: Its tar file.
        directory: Of its shards.
        short_side: See `prepare`.
    """

    builder: tfds.core.DatasetBuilder
    name: str
    path: Path
    directory: Path
    short_side: int | None

    def members(self, expected: int | None, reporter: Reporter) -> list[Member]:
        """Its images in TFDS's order: by the hash of split and name.

        Raises:
            ValueError: There are more or fewer than expected; or two of one name, or of an unknown class.
        """
        known = frozenset(self.builder.info.features["label"].names)
        labels = tfds.core.tfds_path("datasets/imagenet2012/validation_labels.txt").read_text().split()
        found = train_members(self.path) if self.name == "train" else validation_members(self.path, labels)
        hasher = Hasher(self.name)
        keyed = []
        with reporter(f"headers of {self.name}", expected or 0, 0) as report:
            for member in found:
                keyed.append((hasher.hash_key(member.name), member))
                report(1)
        keyed.sort()
        if len(keyed) != (expected or len(keyed) or 1):
            raise ValueError(f"{self.path} holds {len(keyed):,} images, expected {expected or 'some'}")
        members = [member for _, member in keyed]
        if unknown := sorted({member.synset for member in members} - known):
            raise ValueError(f"{self.path} holds {unknown[0]}.tar, which is none of ImageNet's {len(known)} classes")
        if twice := [one.name for one, other in itertools.pairwise(members) if one.name == other.name]:
            raise ValueError(f"{self.path} holds {twice[0]} twice")
        return members

    def shards(self, members: Sequence[Member], config: ShardConfig) -> list[Shard]:
        """As TFDS cuts them.

        It counts the bytes of records, which are about 100 more an image than its file; for ImageNet that decides
        nothing.
        """
        count = config.get_number_shards(sum(member.size for member in members), len(members))
        stops = get_shard_boundaries(len(members), count)
        paths = self._template().sharded_filepaths(count)
        parts = [members[start:stop] for start, stop in itertools.pairwise([0, *stops])]
        return [
            Shard(Path(path), len(part), functools.partial(self._records, part))
            for path, part in zip(paths, parts, strict=True)
        ]

    def info(self, lengths: list[int], size: int) -> tfds.core.SplitInfo:
        return tfds.core.SplitInfo(
            name=self.name, shard_lengths=lengths, num_bytes=size, filename_template=self._template()
        )

    def _template(self) -> tfds.core.ShardedFileTemplate:
        return tfds.core.ShardedFileTemplate(
            data_dir=self.directory,
            dataset_name=self.builder.name,
            split=self.name,
            filetype_suffix=self.builder.info.file_format.file_suffix,
        )

    def _records(self, members: Sequence[Member]) -> Iterator[bytes]:
        """The serialised examples, in the order of `members`; the tar file is read once from front to back."""
        features = self.builder.info.features
        serializer = ExampleSerializer(features.get_serialized_info())
        data: dict[str, bytes] = {}
        with self.path.open("rb") as file:
            for member in sorted(members, key=lambda member: member.offset):
                file.seek(member.offset)
                data[member.name] = file.read(member.size)
        for member in members:
            image = self._image(member.name, data.pop(member.name))
            example = {"file_name": member.name, "image": image, "label": member.synset}
            yield serializer.serialize_example(features.encode_example(example))

    def _image(self, name: str, data: bytes) -> bytes:
        try:
            if name in _REENCODED:
                data = rgb_jpeg(data)
            return data if self.short_side is None else with_short_side(data, self.short_side)
        except (OSError, ValueError) as error:
            raise ValueError(f"{name} in {self.path} cannot be decoded: {error}") from error


_REENCODED = frozenset([*official.CMYK_IMAGES, *official.PNG_IMAGES])
