import itertools

import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from components.image_example_gen.counts import format_counts
from tests.trainer.small_training import (
    FEATURES,
    LABEL,
    Task,
    write_features,
    write_images,
    write_records,
)
from trainer.input.augmentation import Augmentation
from trainer.input.class_counts import read_class_counts
from trainer.input.dataset import read_features
from trainer.training.hyperparameters import Hyperparameters


@pytest.fixture(params=[50, 16], ids=["kept", "read every epoch"])
def train(tmp_path, monkeypatch, request):
    """Returns a dataset of 50 examples, with a shuffle buffer for 50 or for 16 examples."""
    monkeypatch.setattr("trainer.input.dataset._SHUFFLE_BUFFER", request.param)
    write_features(tmp_path, count=50)
    return Task(tmp_path, Hyperparameters(seed=0)).train


def write_numbered(folder, sizes):
    """Writes a file for each number in `sizes`, with that number of examples. The first feature of
    example n in file f is 100 f + n."""
    for file, size in enumerate(sizes):
        examples = [
            {FEATURES: np.array([100 * file + n, 0, 0, 0], np.float32), LABEL: n % 3}
            for n in range(size)
        ]
        write_records(folder / f"train-{file:02}", examples)


def rows(dataset, count):
    """Returns the inputs of the first `count` examples in the batches of `dataset`."""
    batches = (inputs.numpy() for inputs, _ in dataset)
    return list(itertools.islice(itertools.chain.from_iterable(batches), count))


def test_each_epoch_has_every_example_once_in_another_order(train):
    examples = [tuple(row) for row in rows(train.batches(10), 150)]
    epochs = [examples[:50], examples[50:100], examples[100:]]
    assert all(len(set(epoch)) == 50 for epoch in epochs)
    assert set(epochs[0]) == set(epochs[1]) == set(epochs[2])
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize("start", [7, 50, 77, 100])
def test_batches_start_at_any_position(train, start):
    examples = rows(train.batches(1), 120)
    np.testing.assert_array_equal(rows(train.batches(1, start=start), 20), examples[start:][:20])


def test_workers_share_every_batch(train):
    whole = rows(train.batches(10), 100)
    shares = [rows(train.batches(5, worker=worker, workers=2), 50) for worker in range(2)]
    np.testing.assert_array_equal(shares[0], whole[0::2])
    np.testing.assert_array_equal(shares[1], whole[1::2])


def test_each_worker_reads_its_own_files(tmp_path, monkeypatch):
    """In each epoch, 3 workers read different files; a worker's files differ between epochs."""
    monkeypatch.setattr("trainer.input.dataset._SHUFFLE_BUFFER", 5)
    write_numbered(tmp_path, sizes=[7, 5, 6, 6, 7, 5, 6, 6, 5, 7, 6, 6])
    train = Task(tmp_path, Hyperparameters(seed=0)).train
    files = []  # sets of files by worker and epoch
    for worker in range(3):
        mine = np.array(rows(train.batches(1, worker=worker, workers=3), 48))[:, 0] // 100
        files.append([set(mine[:24]), set(mine[24:])])
    first, second = zip(*files, strict=True)
    for parts in (first, second):
        assert [len(part) for part in parts] == [4, 4, 4]
        assert set.union(*parts) == set(range(12))
    assert first != second


@pytest.mark.parametrize("start", [6, 72, 75, 144])
def test_workers_with_their_own_files_resume(tmp_path, monkeypatch, start):
    monkeypatch.setattr("trainer.input.dataset._SHUFFLE_BUFFER", 5)
    write_numbered(tmp_path, sizes=[7, 5, 6, 6, 7, 5, 6, 6, 5, 7, 6, 6])
    train = Task(tmp_path, Hyperparameters(seed=0)).train
    for worker in range(3):
        examples = rows(train.batches(1, worker=worker, workers=3), 60)
        resumed = rows(train.batches(1, start=start, worker=worker, workers=3), 10)
        np.testing.assert_array_equal(resumed, examples[start // 3 :][:10])


def test_batches_mix_files(tmp_path, monkeypatch):
    """Examples of several files alternate, so that batches are mixed even without shuffling."""
    monkeypatch.setattr("trainer.input.dataset._SHUFFLE_BUFFER", 1)
    write_numbered(tmp_path, sizes=[20] * 8)
    train = Task(tmp_path, Hyperparameters(seed=0)).train
    files = np.array(rows(train.batches(1), 64))[:, 0] // 100
    assert set(files[:32]) == set(range(8))


def test_the_seed_determines_the_order(tmp_path):
    write_features(tmp_path)
    one, other = (Task(tmp_path, Hyperparameters(seed=seed)).train for seed in (1, 2))
    assert not np.array_equal(rows(one.batches(10), 50), rows(other.batches(10), 50))


@pytest.mark.parametrize(
    "augmentation",
    [Augmentation(crop_area=0.3, flip=True), Augmentation(mixup=0.5, cutmix=0.5)],
    ids=["image", "batch"],
)
def test_augmented_images_are_the_same_when_training_resumes(tmp_path, augmentation):
    write_images(tmp_path)
    task = Task(tmp_path, Hyperparameters(seed=0), tune="full", augmentation=augmentation)
    images = rows(task.train.batches(4), 48)
    resumed = rows(task.train.batches(4, start=28), 20)
    np.testing.assert_array_equal(resumed, images[28:])
    epochs = (
        {tuple(p.reshape(-1)) for p in images[:24]},
        {tuple(p.reshape(-1)) for p in images[24:]},
    )
    assert not epochs[0] & epochs[1]  # no image is augmented in the same way in both epochs


@pytest.mark.parametrize("mixing", [{"mixup": 0.5}, {"cutmix": 0.5}], ids=["mixup", "cutmix"])
def test_parts_and_resuming_do_not_change_mixed_batches(tmp_path, mixing):
    write_images(tmp_path)
    task = Task(tmp_path, Hyperparameters(seed=0), tune="full", augmentation=Augmentation(**mixing))
    whole = rows(task.train.batches(8), 48)
    np.testing.assert_array_equal(rows(task.train.batches(1, parts=8), 48), whole)
    np.testing.assert_array_equal(rows(task.train.batches(4, parts=2, start=16), 32), whole[16:])
    alone = Task(tmp_path, Hyperparameters(seed=0), tune="full").train
    assert not np.array_equal(rows(alone.batches(8), 48), whole)


def test_mixed_labels_add_up_to_1(tmp_path):
    write_images(tmp_path)
    augmentation = Augmentation(mixup=1.0)
    task = Task(tmp_path, Hyperparameters(seed=0), tune="full", augmentation=augmentation)
    labels = np.concatenate([labels for _, labels in task.train.batches(8).take(3)])
    np.testing.assert_allclose(labels.sum(-1), 1, rtol=1e-6)
    assert ((labels > 0) & (labels < 1)).any()


def test_workers_share_validation(tmp_path):
    write_features(tmp_path)
    task = Task(tmp_path, Hyperparameters())
    everything = rows(task.validation(), 13)
    shares = [rows(task.validation(worker, 3), 13) for worker in range(3)]
    assert sorted(map(len, shares)) == [4, 4, 5]
    assert sorted(map(tuple, itertools.chain(*shares))) == sorted(map(tuple, everything))


def test_encoded_images_are_shuffled(train):
    """The shuffle buffer has encoded images, because decoded images would need too much memory."""
    shuffled = train._records(0)
    assert shuffled.element_spec[1] == tf.TensorSpec([], tf.string)
    assert train.batches(4).element_spec[0].dtype == tf.float32


def test_reading_everything(train):
    features, labels = read_features(train.files, train.graph)
    assert features.shape == (50, 4)
    assert np.bincount(labels).tolist() == list(train.class_counts)


def test_class_counts_are_read_from_ingestion(tmp_path):
    """The counts are read from counts.json, in which a class without an example has no entry."""
    tallies = {("read", 0): 9, ("train", 0): 7, ("test", 0): 2, ("read", 2): 5, ("train", 2): 5}
    files = [f"{tmp_path}/Split-train/*"]
    with pytest.raises(InputError, match=rf"^{tmp_path}/counts.json: no such file; expected the c"):
        read_class_counts(files, 4)
    (tmp_path / "counts.json").write_text(format_counts(tallies))
    assert read_class_counts(files, 4) == [7, 0, 5, 0]
