"""Random cropping, as in the training of Inception networks."""

import tensorflow as tf

from trainer.decoding.jpeg import DCT_METHOD
from trainer.preprocessing import decode

_ASPECT_RATIO = (3 / 4, 4 / 3)
_ATTEMPTS = 100


def inception_crop(encoded: tf.Tensor, seed: tf.Tensor, area: float) -> tf.Tensor:
    """Returns a random window of an image. If the image is a JPEG, only the window is decoded.

    The window is chosen as in big_vision's `decode_jpeg_and_inception_crop`. The source is Szegedy
    et al., "Going Deeper with Convolutions" (https://arxiv.org/abs/1409.4842), section 6.

    Args:
      encoded: an encoded image (JPEG, PNG, GIF, BMP), string [].
      seed: int32 or int64 [2].
      area: the smallest area of the window, as a fraction of the image's area, in (0, 1].

    Returns:
      uint8 [h, w, 3], with w / h between 3/4 and 4/3. If 100 attempts find no window of an
      allowed ratio and area in the image, the function returns the whole image.
    """

    def crop_jpeg() -> tf.Tensor:
        window = _sample_window(tf.image.extract_jpeg_shape(encoded), seed, area)
        return tf.io.decode_and_crop_jpeg(encoded, window, channels=3, dct_method=DCT_METHOD)

    def crop_decoded() -> tf.Tensor:
        image = decode(encoded)
        top, left, height, width = tf.unstack(_sample_window(tf.shape(image), seed, area))
        return image[top : top + height, left : left + width]

    image = tf.cond(tf.io.is_jpeg(encoded), crop_jpeg, crop_decoded)
    return tf.ensure_shape(image, [None, None, 3])


def _sample_window(shape: tf.Tensor, seed: tf.Tensor, area: float) -> tf.Tensor:
    """Returns the top, left, height and width, int32 [4], of a random window of an image.

    `shape` is the shape of the image, int32 [3].
    """
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape,
        tf.zeros([0, 0, 4]),
        seed,
        min_object_covered=0.0,
        aspect_ratio_range=_ASPECT_RATIO,
        area_range=(area, 1.0),
        max_attempts=_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], size[:2]], axis=0)
