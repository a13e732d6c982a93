"""Preprocesses images, in a graph that Transform writes and Trainer, Evaluator and servers run.

Images are decoded, resized to the backbone's H x W (bilinear), and scaled to [-1, 1], as in
google-research/vision_transformer, vit_jax/input_pipeline.py. For `--tune head`, the graph also
computes the features of the backbone for each image.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from backbones.contract import call_backbone, load_shared_backbone, make_shared, read_shapes
from backbones.input_range import to_input_range
from common.custom_config import from_custom_config
from trainer.decoding.jpeg import DCT_METHOD
from trainer.transform_settings import TransformSettings

IMAGE = "image"
LABEL = "label"
PIXELS = "pixels"
FEATURES = "features"
# The key under which a transformed example contains a hash of the encoded image. Transformed
# examples contain no file names, and Beam writes them in arbitrary order, so only the hash tells
# from which image a transformed example was computed.
IMAGE_HASH = "image_hash"

# The number of images that Transform and Evaluator process at once. Larger batches are divided into
# chunks: Beam passes batches of up to 1,000 images to Evaluator, whose pixels would take 600 MB.
CHUNK = 32


def preprocessing_fn(
    inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]
) -> dict[str, tf.Tensor]:
    """Preprocesses examples; TFX's Transform traces this function.

    Args:
      inputs: `image`, encoded images, string [B] or [B, 1]; and `label`, int64 [B] or [B, 1].
      custom_config: the fields of `trainer.transform_settings.TransformSettings`, including the
        backbone's directory.

    Returns:
      A dictionary with `label`, int64 [B]. With tune "full", the dictionary also contains `pixels`,
      float32 [B, H, W, 3] in [-1, 1]. With tune "head", the dictionary also contains `features`,
      float32 [B, D], and `image_hash`, int64 [B], from `hash_images`.
    """
    settings = from_custom_config(TransformSettings, custom_config)
    encoded = tf.reshape(inputs[IMAGE], [-1])
    outputs = {LABEL: tf.reshape(inputs[LABEL], [-1])}
    if settings.tune == "full":
        shapes = read_shapes(settings.backbone)
        outputs[PIXELS] = decode_images(encoded, shapes.height, shapes.width)
    else:
        outputs[FEATURES] = _frozen_features(encoded, settings.backbone, settings.input_range)
        outputs[IMAGE_HASH] = hash_images(encoded)
    return outputs


def hash_images(encoded: tf.Tensor) -> tf.Tensor:
    """Hashes encoded images, string [B], to int64 [B], in [0, 2^63 - 1).

    The hash is FarmHash's Fingerprint64, which TensorFlow promises never to change: see
    `tf.strings.to_hash_bucket_fast`.
    """
    return tf.strings.to_hash_bucket_fast(encoded, 2**63 - 1)


def decode_images(encoded: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Decodes encoded images, string [B], to float32 [B, height, width, 3] in [-1, 1]."""

    def decode_one(image: tf.Tensor) -> tf.Tensor:
        return value_range(resize(decode(image), height, width))

    spec = tf.TensorSpec([height, width, 3], tf.float32)
    return tf.map_fn(decode_one, encoded, fn_output_signature=spec)


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG that ImageExampleGen wrote, string [], to uint8 [h, w, 3].

    The TensorFlow op also decodes PNG and GIF.
    """
    image = tf.io.decode_jpeg(encoded, channels=3, dct_method=DCT_METHOD)
    return tf.ensure_shape(image, [None, None, 3])


def resize(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Resizes an image, uint8 [h, w, 3], to float32 [height, width, 3] in [0, 255].

    The resizing is bilinear, without antialiasing.
    """
    return tf.image.resize(image, [height, width], method="bilinear")


def value_range(image: tf.Tensor) -> tf.Tensor:
    """Scales float32 values from [0, 255] to [-1, 1]."""
    return image / 127.5 - 1.0


class FrozenBackbone(tf.Module):
    """Preprocessing followed by a backbone: maps encoded images to features.

    Transform saves the FrozenBackbone in the SavedModel of the transform graph. For `--tune head`,
    the exported model calls the function `from_pixels` of this FrozenBackbone.
    """

    def __init__(self, directory: str, input_range: str) -> None:
        """
        Args:
          directory: the directory of the backbone's SavedModel.
          input_range: the range of pixel values that the backbone expects; see
            `backbones.input_range`.
        """
        super().__init__()
        shapes = read_shapes(directory)
        self.backbone = load_shared_backbone(directory)
        pixels = tf.TensorSpec([None, shapes.height, shapes.width, 3], tf.float32)

        @tf.function(input_signature=[pixels], autograph=False)
        def from_pixels(images: tf.Tensor) -> tf.Tensor:
            features = call_backbone(self.backbone, to_input_range(images, input_range))
            return tf.ensure_shape(features, [None, shapes.features])

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        def from_bytes(encoded: tf.Tensor) -> tf.Tensor:
            return _with_full_batch(
                from_pixels, decode_images(encoded, shapes.height, shapes.width)
            )

        self.from_pixels = from_pixels
        self.from_bytes = from_bytes


def _frozen_features(encoded: tf.Tensor, directory: str, input_range: str) -> tf.Tensor:
    """Maps encoded images, string [B], to the frozen backbone's features, float32 [B, D].

    The FrozenBackbone is saved in the SavedModel of the transform graph, as the attribute
    `frozen_backbone`.
    """
    # This import is inside the function, so that the training loop and `trainer.predict` can import
    # this module without TensorFlow Transform.
    import tensorflow_transform as tft

    def make() -> FrozenBackbone:
        return FrozenBackbone(directory, input_range)

    # TensorFlow Transform traces `_frozen_features` several times. `make_shared` returns the same
    # FrozenBackbone each time, so that TensorFlow traces the functions of the FrozenBackbone only
    # once.
    key = "frozen_backbone", directory, input_range
    frozen = tft.make_and_track_object(lambda: make_shared(key, make), name="frozen_backbone")
    return _in_chunks(frozen.from_bytes, encoded, read_shapes(directory).features)


def _with_full_batch(function: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    """Calls `function` on `images`, padded with grey images to a batch of `CHUNK` images.

    Beam forms batches of any size, but the features of an image must not depend on the size of its
    batch. On CPUs, the batch size determines the order in which a matrix product adds numbers, and
    so the rounding errors. A different batch size changed the features of a ViT by up to 2.5e-6,
    and the features of a MobileNet by up to 2.5e-5. With a constant batch size, neither the other
    images of the batch nor the order of the images changed a single bit of an image's features
    (measured with a MobileNet and four ViTs, Ti/16 to B/32). The exported model does not pad
    batches, because padding would slow down requests with one image.

    Args:
      function: the backbone, which maps [B, H, W, 3] to [B, D].
      images: at most `CHUNK` images, float32 [B, H, W, 3].
    """
    batch = tf.shape(images)[0]
    # `tf.pad` would add no grey images: TensorFlow 2.21 merges `tf.pad` with a following
    # convolution into oneDNN's PadWithConv2D, which pads only the height and the width.
    grey = tf.zeros([CHUNK - batch, *images.shape[1:]])
    return function(tf.ensure_shape(tf.concat([images, grey], 0), [CHUNK, *images.shape[1:]]))[
        :batch
    ]


def _in_chunks(
    function: Callable[[tf.Tensor], tf.Tensor], encoded: tf.Tensor, features: int
) -> tf.Tensor:
    """Calls `function` on chunks of up to `CHUNK` images, and concatenates the results.

    `function` maps encoded images, string [b], to float32 [b, features].
    """
    batch = tf.shape(encoded)[0]
    chunks = tf.TensorArray(
        tf.float32,
        size=(batch + CHUNK - 1) // CHUNK,
        element_shape=[None, features],
        infer_shape=False,
    )

    def step(index: tf.Tensor, chunks: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        chunk = encoded[index * CHUNK : (index + 1) * CHUNK]
        return index + 1, chunks.write(index, function(chunk))

    _, chunks = tf.while_loop(
        lambda index, chunks: index * CHUNK < batch, step, (tf.constant(0), chunks)
    )
    return tf.ensure_shape(chunks.concat(), [None, features])
