import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from trainer.input.augment.geometry import rotate, shear_x, shear_y, translate_x, translate_y

GREY = (128, 128, 128)


def as_float(pil_image):
    return tf.constant(np.asarray(pil_image), tf.float32)


def affine(pil_image, *coefficients):
    return pil_image.transform(
        pil_image.size, PIL.Image.Transform.AFFINE, coefficients, fillcolor=GREY
    )


# In Pillow, the coordinates of a pixel are those of its corner. In TensorFlow, the coordinates of a
# pixel are those of its centre. Pillow therefore needs an offset of -a / 2 pixels to make the same
# shear with slope a as TensorFlow. A rotation around the centre of the image needs no offset,
# because the centre is the same point in both libraries.
@pytest.mark.parametrize("amount", [-0.29, 0.29])
@pytest.mark.parametrize(
    ("ours", "pillows"),
    [
        (shear_x, lambda p, a: affine(p, 1, a, -a / 2, 0, 1, 0)),
        (shear_y, lambda p, a: affine(p, 1, 0, 0, a, 1, -a / 2)),
        (translate_x, lambda p, a: affine(p, 1, 0, round(a * 64), 0, 1, 0)),
        (translate_y, lambda p, a: affine(p, 1, 0, 0, 0, 1, round(a * 48))),
        (lambda p, a: rotate(p, 100 * a), lambda p, a: p.rotate(100 * a, fillcolor=GREY)),
    ],
)
def test_results_are_those_of_pillow(pil_image, ours, pillows, amount):
    result = ours(as_float(pil_image), tf.constant(amount)).numpy()
    same = np.all(result == np.asarray(pillows(pil_image, amount)), axis=-1)
    # If a point lies halfway between two pixels, Pillow and TensorFlow may choose different pixels.
    assert same.mean() > 0.98


def test_rotation_is_counter_clockwise():
    image = np.random.default_rng(0).integers(0, 255, [7, 7, 3])
    result = rotate(tf.constant(image, tf.float32), 90.0)
    np.testing.assert_array_equal(result, np.rot90(image))


def test_pixels_from_outside_are_grey(pil_image):
    image = as_float(pil_image)
    np.testing.assert_array_equal(translate_x(image, 0.5)[:, :32], image[:, 32:])
    assert np.all(translate_x(image, 0.5)[:, 32:] == 128)
    np.testing.assert_array_equal(translate_y(image, -0.5)[24:], image[:24])
    assert np.all(translate_y(image, -0.5)[:24] == 128)
    assert np.all(rotate(image, 45.0)[0, 0] == 128)


@pytest.mark.parametrize("operation", [rotate, shear_x, shear_y, translate_x, translate_y])
def test_an_amount_of_zero_changes_nothing(pil_image, operation):
    np.testing.assert_array_equal(operation(as_float(pil_image), 0.0), as_float(pil_image))
