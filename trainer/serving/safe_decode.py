"""Decodes a batch of images, even if some of the images cannot be decoded."""

from collections.abc import Callable

import tensorflow as tf

from trainer.decoding.image_file import decode_plain_jpeg, decode_upright
from trainer.decoding.limits import Limits
from trainer.decoding.quick_options import quick_options
from trainer.preprocessing import resize, value_range

# The number of images of a batch that are decoded at the same time.
_PARALLEL = 8

Shape = tuple[int, int, int]
Function = Callable[[tf.Tensor], tf.Tensor]


class BatchDecoder:
    """Decodes, resizes and scales encoded images, as ImageExampleGen and Transform do.

    BatchDecoder has two decoders: a small graph for plain JPEGs, and a large graph for all formats.
    The decoder for all formats is a `tf.function`, so that a model with several signatures contains
    the large graph only once. The decoder for plain JPEGs is copied into each signature that
    decodes images, because a function call would add time to each request.
    """

    def __init__(self, limits: Limits, height: int, width: int) -> None:
        """
        Args:
          limits: the limits for large images.
          height, width: height and width of the decoded images, in pixels.
        """
        self._shape = (height, width, 3)
        self._limits = limits
        self._general = tf.function(
            lambda encoded: self._prepare(decode_upright(encoded, limits).image),
            input_signature=[tf.TensorSpec([], tf.string)],
            autograph=False,
        )

    def __call__(
        self, items: tf.Tensor, read: Function = tf.identity
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Decodes a batch of images.

        Args:
          items: encoded images, or strings from which `read` extracts them, string [B].
          read: a function from an item, string [], to the encoded image, string []. If `read` fails
            for an item, the item counts as an invalid image.

        Returns:
          The pixels, float32 [B, H, W, 3] in [-1, 1], which are 0 for an invalid image; and whether
          each image is valid, bool [B].
        """
        return _map_valid(
            lambda item: self._prepare(decode_plain_jpeg(read(item), self._limits)),
            lambda item: self._general(read(item)),
            items,
            self._shape,
        )

    def _prepare(self, image: tf.Tensor) -> tf.Tensor:
        height, width, _ = self._shape
        return value_range(resize(image, height, width))


def _map_valid(
    common: Function, general: Function, items: tf.Tensor, shape: Shape
) -> tuple[tf.Tensor, tf.Tensor]:
    """Maps a function over a batch, and marks the items for which the function fails.

    In a TensorFlow graph, only `Dataset.ignore_errors` catches errors. `Dataset.ignore_errors`
    drops the elements for which the mapped function fails. Each element of the dataset contains its
    index in the batch, so that `_map_valid` can find out which elements were dropped.

    `_map_valid` tries `common` before `general` to save time. In every request, TensorFlow
    instantiates the functions that `Dataset.map` calls, and a function with many ops takes longer
    to instantiate than a function with few ops. `general` has many ops, and is instantiated only if
    `common` fails for an item of the batch.

    Args:
      common: a function with few ops, from string [] to float32 of `shape`, which succeeds for most
        items.
      general: a function with the same input and output types as `common`, for items for which
        `common` fails.
      items: string [B].
      shape: the shape of the result for one item.

    Returns:
      The results, float32 [B, *shape], which are 0 for an item for which both functions fail; and,
      for each item, whether one of the functions succeeded, bool [B].
    """
    count = tf.size(items)
    indices, values = _map_some(common, tf.range(count), items, shape)

    def map_remaining() -> tuple[tf.Tensor, tf.Tensor]:
        is_remaining = tf.scatter_nd(indices[:, tf.newaxis], tf.ones_like(indices), [count]) < 1
        remaining = tf.where(is_remaining)[:, 0]
        more = _map_some(general, tf.cast(remaining, tf.int32), tf.gather(items, remaining), shape)
        positions = tf.concat([indices, more[0]], axis=0)[:, tf.newaxis]
        ordered = tf.scatter_nd(positions, tf.concat([values, more[1]], axis=0), [count, *shape])
        return ordered, tf.scatter_nd(positions, tf.ones_like(positions[:, 0]), [count]) > 0

    ordered, is_valid = tf.cond(
        tf.equal(tf.size(indices), count),
        lambda: (values, tf.ones([count], tf.bool)),
        map_remaining,
    )
    return tf.ensure_shape(ordered, [None, *shape]), tf.ensure_shape(is_valid, [None])


def _map_some(
    function: Function, indices: tf.Tensor, items: tf.Tensor, shape: Shape
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the indices of the items for which `function` succeeds, and the results for them.

    `Dataset.batch` collects the results, because `Dataset.reduce` would take 6 ms per call.
    `quick_options` keeps TensorFlow from rewriting the dataset's graph, which would take 4 ms.
    """

    def numbered(index: tf.Tensor, item: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return index, tf.ensure_shape(function(item), shape)

    mapped = (
        tf.data.Dataset.from_tensor_slices((indices, items))
        .map(numbered, num_parallel_calls=_PARALLEL)
        .ignore_errors()
        .batch(tf.maximum(tf.size(items, out_type=tf.int64), 1))
    )
    nothing = tf.zeros([0], tf.int32), tf.zeros([0, *shape], tf.float32)
    # The result is the first batch of the dataset. If `function` fails for all items, `mapped`
    # contains no batch, and the appended empty batch `nothing` is the result.
    one = mapped.concatenate(tf.data.Dataset.from_tensors(nothing)).take(1)
    return one.with_options(quick_options()).get_single_element()
