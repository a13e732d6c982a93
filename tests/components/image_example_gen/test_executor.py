"""Tests of ImageExampleGen's executor on real files, with Beam's in-process runner."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import PIL.ImageOps
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tfx.components.example_gen.write_split import DEFAULT_TF_RECORD_FILE_NAME
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils, standard_artifacts

from common.errors import InputError
from components.image_example_gen.counts import read_reasons
from components.image_example_gen.executor import Executor
from components.image_example_gen.listing import Listing, write_listing
from components.image_example_gen.sources.base import SPLITS
from components.image_example_gen.sources.registry import make_source
from tests.components.data_check.test_issues import draw
from tests.conftest import class_folder, encode, gradient


class _RecordingExecutor(Executor):
    """An executor that stores the serialized Beam pipeline in `job` when it runs the pipeline."""

    def _make_beam_pipeline(self):
        pipeline = super()._make_beam_pipeline()
        run = pipeline.run

        def record_and_run(*args, **options):
            self.job = pipeline.to_runner_api().SerializeToString()
            return run(*args, **options)

        pipeline.run = record_and_run
        return pipeline


jobs: dict[Path, bytes] = {}  # the serialized Beam pipeline for each folder of examples


def ingest(
    folder: Path,
    source: dict,
    classes: list[str],
    max_side: int = 64,
    split_by: str = "content",
) -> Path:
    """Runs the executor; returns `folder`, the directory of the Examples artifact."""
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    properties = {"source": json.dumps(source), "classes": json.dumps(classes)}
    properties |= {"source_fingerprint": "fingerprint", "unread_notes": str(folder / "unread")}
    properties["listing"] = str(folder / "listing.jsonl")
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=FnApiRunner"],
        tmp_dir=str(folder / "tmp"),
        unique_id="1",
    )
    limits = {"max_side": max_side, "max_pixels": 10**8, "max_value": 0}
    limits["split_by"] = split_by
    executor = _RecordingExecutor(context)
    executor.Do({}, {"examples": [artifact]}, properties | limits)
    jobs[folder] = executor.job
    assert artifact_utils.decode_split_names(artifact.split_names) == list(SPLITS)
    assert examples_utils.get_payload_format_string(artifact) == "FORMAT_TF_EXAMPLE"
    return folder


def read(folder: Path) -> dict[str, list[dict]]:
    """Returns the examples of each split."""
    spec = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "file_name": tf.io.FixedLenFeature([], tf.string),
    }
    return {
        split: [
            {k: v.numpy() for k, v in tf.io.parse_single_example(record, spec).items()}
            for record in tf.data.TFRecordDataset(
                [str(f) for f in (folder / f"Split-{split}").iterdir()], "GZIP"
            )
        ]
        for split in SPLITS
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Returns a folder of PNGs, JPEGs and files that are not images.

    The folder contains 40 PNGs in two classes, three copies of one JPEG, and four other files.
    """
    folder = class_folder(tmp_path_factory.mktemp("source") / "data", images=20)
    jpeg = encode(gradient(20, 20), "JPEG")
    for name in ("c0/copy.jpg", "c1/copy.jpg", "c1/again.jpg"):
        (folder / name).write_bytes(jpeg)
    (folder / "c0" / "empty.jpg").write_bytes(b"")
    (folder / "c0" / "notes.txt").write_text("not an image")
    (folder / "c1" / "cut.png").write_bytes(encode(gradient(90, 90), "PNG")[:200])
    (folder / "c1" / "link.png").symlink_to(folder / "nowhere")
    return folder


@pytest.fixture(scope="module")
def written(source, tmp_path_factory):
    description = {"kind": "folder", "path": str(source)}
    return ingest(tmp_path_factory.mktemp("examples"), description, ["c0", "c1"], max_side=25)


@pytest.fixture(scope="module")
def similar(tmp_path_factory):
    """Returns a folder with 30 images and two altered copies of each image.

    The first copy of an image is mirrored, and is a PNG instead of a JPEG. The second copy has
    fewer pixels than the image. The folder also contains a file that cannot be decoded.
    """
    folder = tmp_path_factory.mktemp("similar")
    for number in range(30):
        image = draw(number)
        copies = {
            "a.jpg": encode(image, "JPEG"),
            "b.png": encode(PIL.ImageOps.mirror(image), "PNG"),
            "c.jpg": encode(image.resize((112, 84)), "JPEG"),
        }
        (folder / f"c{number % 2}").mkdir(exist_ok=True)
        for name, content in copies.items():
            (folder / f"c{number % 2}" / f"{number}{name}").write_bytes(content)
    (folder / "c0" / "cut.png").write_bytes(encode(gradient(90, 90), "PNG")[:200])
    return folder


def test_near_duplicates_are_in_one_split(similar, tmp_path):
    description = {"kind": "folder", "path": str(similar)}
    divided = {}
    for split_by in ("content", "near_duplicates"):
        folder = tmp_path / split_by
        ingest(folder, description, ["c0", "c1"], max_side=200, split_by=split_by)
        splits = {
            example["file_name"].decode(): split
            for split, examples in read(folder).items()
            for example in examples
        }
        assert len(splits) == 90
        assert set(splits.values()) == set(SPLITS)
        divided[split_by] = divided_images(splits)
        assert not (folder / "similar").exists()
    assert divided["content"] > 5
    assert divided["near_duplicates"] == 0


def divided_images(splits: dict[str, str]) -> int:
    """Returns how many images of `similar` have copies in more than one split."""
    of_image: dict[str, set[str]] = {}
    for name, split in splits.items():
        # The file names of an image and its copies differ only in the last five characters, which
        # are a.jpg, b.png or c.jpg.
        of_image.setdefault(name[:-5], set()).add(split)
    return sum(len(found) > 1 for found in of_image.values())


def test_each_image_is_written_or_quarantined(written):
    counts = json.loads((written / "counts.json").read_text())
    assert counts["read"] == 47
    assert counts["quarantine"] == 4
    assert sum(counts[split] for split in SPLITS) == 43
    assert {split: len(examples) for split, examples in read(written).items()} == {
        split: counts[split] for split in SPLITS
    }


def test_files_of_the_artifact(written):
    """The artifact has one record file for each shard, and no temporary files."""
    found = {str(file.relative_to(written)) for file in written.rglob("*") if file.is_file()}
    shards = {f"Split-{split}/{DEFAULT_TF_RECORD_FILE_NAME}-00000-of-00001.gz" for split in SPLITS}
    assert found == shards | {"counts.json", "quarantine.jsonl", "unread/fingerprint.json"}


def test_the_job_does_not_list_the_images(written):
    """The Beam pipeline contains no file names, because runners limit the size of a pipeline."""
    assert b"Spread" in jobs[written]
    assert b"again.jpg" not in jobs[written]


def test_missing_files_are_noted(written):
    (note,) = (written / "unread").iterdir()
    assert note.name == "fingerprint.json"
    assert json.loads(note.read_text()) == ["c1/link.png"]


def test_quarantine_says_which_and_why(written, source):
    lines = (written / "quarantine.jsonl").read_text().splitlines()
    records = {record["file_name"]: record for record in map(json.loads, lines)}
    assert set(records) == {"c0/empty.jpg", "c0/notes.txt", "c1/cut.png", "c1/link.png"}
    assert records["c1/link.png"]["detail"] == "cannot be read: No such file or directory"
    reasons = {name: record["reason"] for name, record in records.items()}
    assert reasons == {
        "c0/empty.jpg": "empty",
        "c0/notes.txt": "format",
        "c1/cut.png": "damaged",
        "c1/link.png": "unreadable",
    }
    assert read_reasons(str(written)) == dict.fromkeys(reasons.values(), 1)
    notes = (source / "c0" / "notes.txt").read_bytes()
    assert records["c0/notes.txt"]["sha256"] == hashlib.sha256(notes).hexdigest()
    assert records["c0/notes.txt"]["label"] == 0


def test_every_image_is_written_once_under_its_name_and_label(written, source):
    examples = [example for split in read(written).values() for example in split]
    names = Counter(example["file_name"].decode() for example in examples)
    assert max(names.values()) == 1
    assert len(names) == 43
    for example in examples:
        name = example["file_name"].decode()
        assert example["label"] == int(name[1])
        shape = tf.io.decode_jpeg(example["image"]).shape
        assert max(shape[:2]) <= 25


def test_jpegs_pass_byte_for_byte(written, source):
    for examples in read(written).values():
        for example in examples:
            if example["file_name"].endswith(b".jpg"):
                assert example["image"] == (source / example["file_name"].decode()).read_bytes()


def test_examples_are_the_same_bytes_in_every_process(written):
    """The map entries of an example are sorted, so that every process writes the same bytes."""
    files = [str(file) for file in written.glob("Split-*/*")]
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        example = tf.train.Example.FromString(record)
        assert example.SerializeToString(deterministic=True) == record


def test_copies_of_a_image_are_in_one_split(written):
    where = {
        split
        for split, examples in read(written).items()
        for example in examples
        if example["file_name"].endswith(b".jpg")
    }
    assert len(where) == 1


def test_other_classes_than_the_pipeline_was_built_for_are_refused(source, tmp_path):
    with pytest.raises(InputError, match="the source has the classes c0, c1; expected c0, c2"):
        ingest(tmp_path, {"kind": "folder", "path": str(source)}, ["c0", "c2"])


def test_the_executor_reads_the_images_that_were_listed_at_the_start(tmp_path):
    """After the listing, one image is removed, one image is changed, and one image is added."""
    folder = class_folder(tmp_path / "data", images=20)
    source = make_source({"kind": "folder", "path": str(folder)})
    source.prepare()
    (tmp_path / "out").mkdir()
    listing = Listing(source.classes(), source.images())
    write_listing(str(tmp_path / "out" / "listing.jsonl"), listing)
    (folder / "c0" / "3.png").unlink()
    (folder / "c1" / "4.png").write_bytes((folder / "c1" / "5.png").read_bytes())
    (folder / "c1" / "new.png").write_bytes(encode(gradient(70, 70), "PNG"))
    written = ingest(tmp_path / "out", {"kind": "folder", "path": str(folder)}, ["c0", "c1"])
    assert read_reasons(str(written)) == {"unreadable": 1, "changed": 1}
    assert json.loads((written / "counts.json").read_text())["read"] == 40
    (note,) = (written / "unread").iterdir()
    assert json.loads(note.read_text()) == ["c0/3.png", "c1/4.png"]


def test_too_few_images_for_three_splits_are_refused(tmp_path):
    folder = class_folder(tmp_path / "data", images=1)
    with pytest.raises(InputError, match=r"no image for the split .*: 2 images read, 0 of them"):
        ingest(tmp_path / "out", {"kind": "folder", "path": str(folder)}, ["c0", "c1"])


def different_jpegs(count: int) -> list[bytes]:
    return [encode(gradient(16 + n, 16), "JPEG") for n in range(count)]


def test_a_class_without_an_image_to_train_on_is_refused(tmp_path):
    folder = class_folder(tmp_path / "data", images=20)
    (folder / "c2").mkdir()
    image = next(
        i for i in different_jpegs(50) if int(hashlib.sha256(i).hexdigest()[:16], 16) % 10 == 1
    )
    # The image's digest makes ingestion assign the image to the test split.
    (folder / "c2" / "only.jpg").write_bytes(image)
    (folder / "c2" / "notes.txt").write_text("not an image")
    with pytest.raises(
        InputError, match=r"no training image for the class c2 \(2 read, 1 of them quarantined\);"
    ):
        source = {"kind": "folder", "path": str(folder)}
        ingest(tmp_path / "out", source, ["c0", "c1", "c2"])


def tfds_dataset(data_dir: Path, labels: list[int], names: list[str]) -> dict:
    """Prepares a TFDS dataset with three images for each entry of `labels`."""
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=names)}
    )
    images = different_jpegs(3 * len(labels))
    tfds.dataset_builders.store_as_tfds_dataset(
        name="small",
        version="1.0.0",
        data_dir=data_dir,
        split_datasets={
            "train": tf.data.Dataset.from_tensor_slices((images, labels * 3)).map(
                lambda image, label: {"image": tf.io.decode_jpeg(image), "label": label}
            )
        },
        features=features,
    )
    return {"kind": "tfds", "name": "small", "data_dir": str(data_dir)}


def test_an_image_without_a_label_is_quarantined(tmp_path):
    """TFDS uses the label -1 for images without a label."""
    source = tfds_dataset(tmp_path / "tfds", [0, 1, 1, 0, -1, 0, 1] * 3, ["c0", "c1"])
    written = ingest(tmp_path / "out", source, ["c0", "c1"])
    records = [json.loads(r) for r in (written / "quarantine.jsonl").read_text().splitlines()]
    assert {(r["label"], r["detail"]) for r in records} == {(-1, "label -1: expected 0 to 1")}
    labels = Counter(int(example["label"]) for split in read(written).values() for example in split)
    assert set(labels) == {0, 1}
    assert sum(labels.values()) + len(records) == 63


def test_a_dataset_of_one_class_is_refused(tmp_path):
    source = tfds_dataset(tmp_path / "tfds", [0] * 7, ["c0"])
    with pytest.raises(InputError, match="tfds:small: found 1 classes; expected at least 2"):
        ingest(tmp_path / "out", source, ["c0"])


def test_a_dataset_that_has_images_of_one_class_is_refused(tmp_path):
    source = tfds_dataset(tmp_path / "tfds", [1] * 7, ["c0", "c1"])
    with pytest.raises(InputError, match="all training images are of the class c1; expected"):
        ingest(tmp_path / "out", source, ["c0", "c1"])


def test_a_source_with_its_own_test_split(shared, tmp_path):
    """Ingestion keeps the test split of the dataset.

    The record files that ingestion writes are at most 10 % larger than TFDS's record files.
    """
    from components.image_example_gen.sources.tfds import TfdsSource

    data_dir = str(shared / "tfds")
    classes = list(TfdsSource("oxford_iiit_pet", data_dir).classes())
    source = {"kind": "tfds", "name": "oxford_iiit_pet", "data_dir": data_dir}
    written = ingest(tmp_path, source, classes, max_side=1024)
    counts = json.loads((written / "counts.json").read_text())
    assert counts["test"] == 84
    assert counts["train"] + counts["validation"] == 252
    names = {example["file_name"] for example in read(written)["test"]}
    assert b"pomeranian_72.jpg" in names
    size = sum(file.stat().st_size for file in written.glob("Split-*/*"))
    assert size <= 1.1 * sum(f.stat().st_size for f in Path(data_dir).glob("oxford*/*/*.tfrec*"))
