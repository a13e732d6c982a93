import numpy as np
import pytest
import tensorflow as tf

from trainer.input.augment.mix import cut_mix, mix, mix_up, sample_beta

BATCH, HEIGHT, WIDTH = 5, 24, 40
# All pixels of image i have the value i, and its class is i.
IMAGES = tf.ones([BATCH, HEIGHT, WIDTH, 3]) * tf.range(5.0)[:, None, None, None]
LABELS = tf.eye(BATCH)


def seed(index):
    return tf.constant([9, index], tf.int64)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_label_mass_is_conserved(mixup, cutmix):
    mixed = tf.function(lambda s: mix(IMAGES, LABELS, s, mixup=mixup, cutmix=cutmix))
    for index in range(20):
        images, labels = mixed(seed(index))
        assert images.shape == IMAGES.shape
        assert images.dtype == labels.dtype == tf.float32
        np.testing.assert_allclose(tf.reduce_sum(labels, axis=1), 1, rtol=1e-6)
        np.testing.assert_allclose(tf.reduce_sum(labels, axis=0), 1, rtol=1e-6)
        # In an input image, each pixel value is the number of the image's class. In a mixed image,
        # the mean pixel value is therefore the mean class, weighted by the mixed label.
        means = tf.reduce_mean(images, axis=[1, 2, 3])
        np.testing.assert_allclose(means, tf.linalg.matvec(labels, tf.range(5.0)), atol=1e-5)


def test_mixup_blends_with_the_next():
    images, labels = mix_up(IMAGES, LABELS, seed(1), 1.0)
    weight = labels[0, 0]
    assert 0 < weight < 1
    np.testing.assert_allclose(labels[4], [1 - weight, 0, 0, 0, weight], rtol=1e-6)
    np.testing.assert_allclose(images[2], tf.fill([HEIGHT, WIDTH, 3], 3 - weight), rtol=1e-6)


def test_cutmix_pastes_a_rectangle_and_labels_count_its_area():
    run = tf.function(lambda s: cut_mix(IMAGES, LABELS, s, 1.0))
    shares = []
    for index in range(100):
        images, labels = run(seed(index))
        assert set(np.unique(images[2])) <= {2, 3}
        pasted = images[2, :, :, 0].numpy() == 3
        shares.append(pasted.mean())
        np.testing.assert_allclose(
            labels[2], [0, 0, 1 - pasted.mean(), pasted.mean(), 0], atol=1e-6
        )
        rows, columns = pasted.any(axis=1), pasted.any(axis=0)
        assert pasted.sum() == rows.sum() * columns.sum()
        for other in range(BATCH):  # the rectangle has the same place in every image
            np.testing.assert_array_equal(images[other, :, :, 0] != other, pasted)
    assert max(shares) > 0.6
    # The mean of Beta(1, 1) is 0.5. The mean share of pasted pixels is smaller, because the edge of
    # the image cuts off a part of some rectangles.
    assert 0.2 < np.mean(shares) < 0.5


def test_cutmix_with_extreme_weights():
    """With a tiny alpha, the weights are almost 0 or almost 1."""
    shares = {round(float(cut_mix(IMAGES, LABELS, seed(i), 1e-3)[1][0, 1]), 3) for i in range(20)}
    assert 0.0 in shares
    assert max(shares) > 0.2
    assert all(0 <= share <= 1 for share in shares)


def test_mixup_and_cutmix_alternate():
    run = tf.function(lambda s: mix(IMAGES, LABELS, s, mixup=1.0, cutmix=1.0)[0])
    blended = [bool(np.any(image % 1 > 1e-4)) for image in map(run, map(seed, range(200)))]
    assert abs(np.mean(blended) - 0.5) < 0.13


def test_without_augmentation_images_are_unchanged():
    images, labels = mix(IMAGES, LABELS, seed(0), mixup=0.0, cutmix=0.0)
    assert images is IMAGES
    assert labels is LABELS


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_beta(alpha):
    seeds = tf.random.split(seed(3), 4000)
    draws = tf.function(lambda: tf.map_fn(lambda s: sample_beta(s, alpha), seeds, tf.float32))()
    draws = draws.numpy()
    assert draws.min() >= 0
    assert draws.max() <= 1
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(draws.mean() - 0.5) < 4 * (variance / 4000) ** 0.5
    assert abs(draws.var() / variance - 1) < 0.1


def test_beta_of_a_tiny_alpha_is_a_number():
    draws = [sample_beta(seed(index), 1e-4) for index in range(50)]
    assert np.all(np.isfinite(draws))


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("operation", [mix_up, cut_mix])
def test_any_batch_size(operation, batch):
    signature = [tf.TensorSpec([None, HEIGHT, WIDTH, 3]), tf.TensorSpec([None, BATCH])]
    run = tf.function(lambda *batch: operation(*batch, seed(1), 0.8), input_signature=signature)
    images, labels = run(IMAGES[:batch], LABELS[:batch])
    assert images.shape == (batch, HEIGHT, WIDTH, 3)
    assert labels.shape == (batch, BATCH)


def test_seeds():
    run = tf.function(lambda s: mix(IMAGES, LABELS, s, mixup=0.8, cutmix=1.0))
    batches = [run(seed(index))[0].numpy() for index in range(10)]
    assert len({one.tobytes() for one in batches}) == 10
    np.testing.assert_array_equal(run(seed(3))[0], batches[3])
    np.testing.assert_array_equal(run(tf.constant([9, 3], tf.int32))[0], batches[3])
