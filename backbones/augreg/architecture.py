"""The sizes of the Vision Transformers of the AugReg family, and the shapes of their arrays.

The arrays have the names and shapes of the published checkpoints, `gs://vit_models/augreg/*.npz`.
The models are defined in github.com/google-research/vision_transformer, `vit_jax/models_vit.py` and
`vit_jax/models_resnet.py`. This module imports neither TensorFlow nor NumPy, because the command
line imports it and must start quickly.
"""

import math
from dataclasses import dataclass
from typing import Literal

from common.errors import InputError

Shape = tuple[int, ...]
Task = Literal["fe", "classification"]  # "fe": a feature extractor, which has no head
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A Vision Transformer, plain or hybrid, for square RGB images.

    Attributes:
      image_size: height and width of the images, in pixels; a multiple of `stride`.
      patch_size: height and width of a patch, in pixels of the image or, if the model has a ResNet,
        in positions of the ResNet's output.
      width: number of features of a token.
      depth: number of encoder blocks.
      heads: number of attention heads; a divisor of `width`.
      mlp_dim: number of hidden features of the MLP in an encoder block.
      resnet_blocks: number of units in each block of the ResNet in front of the encoder. If
        `resnet_blocks` is `()`, the ResNet consists of its root only (R-Ti/16); if it is `None`,
        the model has no ResNet.
      width_factor: number of channels of the ResNet's root, divided by 64. GroupNorm divides the
        channels into 32 groups, so `width_factor` must be a multiple of 0.5.
      representation_size: number of features of the tanh layer `pre_logits`; `None` if the model
        has no layer `pre_logits`.
      classes: number of outputs of the head; `None` if the model has no head.

    Raises:
      InputError: two sizes contradict each other, or a size is not positive.
    """

    image_size: int
    patch_size: int
    width: int
    depth: int
    heads: int
    mlp_dim: int
    resnet_blocks: tuple[int, ...] | None = None
    width_factor: float = 1.0
    representation_size: int | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        for size in ("patch_size", "width", "depth", "heads", "mlp_dim"):
            if getattr(self, size) < 1:
                raise InputError(f"{size} {getattr(self, size)}: expected at least 1")
        if self.image_size < 1 or self.image_size % self.stride:
            raise InputError(
                f"image size {self.image_size}: expected a positive multiple of "
                f"{self.stride} pixels, the distance between patches, for example "
                f"{self._nearest_image_size}"
            )
        if self.width % self.heads:
            raise InputError(f"{self.heads} attention heads do not divide a width of {self.width}")
        if self.resnet_blocks is not None and (self.width_factor * 64) % 32:
            raise InputError(f"width factor {self.width_factor}: expected a multiple of 0.5")

    @property
    def stride(self) -> int:
        """Distance between the patches of two neighbouring tokens, in pixels."""
        return patch_stride(self.patch_size, self.resnet_blocks)

    @property
    def grid_size(self) -> int:
        """Number of tokens along each side of the image."""
        return self.image_size // self.stride

    @property
    def tokens(self) -> int:
        """Number of tokens in the encoder: the class token, and one for each patch."""
        return 1 + self.grid_size**2

    @property
    def feature_width(self) -> int:
        """Number of features per image: outputs of the feature extractor, or inputs of the head."""
        return self.representation_size or self.width

    @property
    def resnet_width(self) -> int:
        """Number of channels of the ResNet's root, and of the bottlenecks in its first block."""
        return int(64 * self.width_factor)

    @property
    def parameter_count(self) -> int:
        """Number of parameters in the checkpoint."""
        return sum(math.prod(shape) for shape in self.array_shapes().values())

    def array_shapes(self) -> dict[str, Shape]:
        """Returns the name and shape of every array, in the order of the forward pass."""
        channels = 3
        shapes: dict[str, Shape] = {}
        if self.resnet_blocks is not None:
            channels, shapes = self._resnet_shapes(self.resnet_blocks)
        shapes |= {
            "embedding/kernel": (self.patch_size, self.patch_size, channels, self.width),
            "embedding/bias": (self.width,),
            "cls": (1, 1, self.width),
            "Transformer/posembed_input/pos_embedding": (1, self.tokens, self.width),
        }
        for index in range(self.depth):
            shapes |= self._encoder_block_shapes(f"Transformer/encoderblock_{index}")
        shapes |= _normalization("Transformer/encoder_norm", (self.width,))
        if self.representation_size is not None:
            shapes |= _dense("pre_logits", (self.width,), (self.representation_size,))
        if self.classes is not None:
            shapes |= _dense("head", (self.feature_width,), (self.classes,))
        return shapes

    def _encoder_block_shapes(self, name: str) -> dict[str, Shape]:
        width, split = (self.width,), (self.heads, self.width // self.heads)
        attention = f"{name}/MultiHeadDotProductAttention_1"
        return {
            **_normalization(f"{name}/LayerNorm_0", width),
            **_dense(f"{attention}/query", width, split),
            **_dense(f"{attention}/key", width, split),
            **_dense(f"{attention}/value", width, split),
            **_dense(f"{attention}/out", split, width),
            **_normalization(f"{name}/LayerNorm_2", width),
            **_dense(f"{name}/MlpBlock_3/Dense_0", width, (self.mlp_dim,)),
            **_dense(f"{name}/MlpBlock_3/Dense_1", (self.mlp_dim,), width),
        }

    def _resnet_shapes(self, blocks: tuple[int, ...]) -> tuple[int, dict[str, Shape]]:
        """Returns the number of output channels of the ResNet, and the shapes of its weights."""
        channels = self.resnet_width
        shapes = {
            "conv_root/kernel": (7, 7, 3, channels),
            **_normalization("gn_root", (1, 1, 1, channels)),
        }
        for block, units in enumerate(blocks):
            bottleneck = self.resnet_width * 2**block
            for unit in range(units):
                name = f"block{block + 1}/unit{unit + 1}"
                shapes |= _unit_shapes(name, channels, bottleneck, projects=unit == 0)
                channels = 4 * bottleneck
        return channels, shapes

    @property
    def _nearest_image_size(self) -> int:
        return max(round(self.image_size / self.stride), 1) * self.stride


def patch_stride(patch_size: int, resnet_blocks: tuple[int, ...] | None) -> int:
    """Returns the distance between the patches of two neighbouring tokens, in pixels.

    Args:
      patch_size: as in `Architecture`.
      resnet_blocks: as in `Architecture`.
    """
    if resnet_blocks is None:
        return patch_size
    # The ResNet halves the resolution in the convolution and in the pooling of its root, and again
    # in each block after the first.
    return patch_size * 2 ** (2 + len(resnet_blocks[1:]))


def _dense(name: str, inputs: Shape, outputs: Shape) -> dict[str, Shape]:
    return {f"{name}/kernel": inputs + outputs, f"{name}/bias": outputs}


def _normalization(name: str, shape: Shape) -> dict[str, Shape]:
    return {f"{name}/scale": shape, f"{name}/bias": shape}


def _unit_shapes(name: str, inputs: int, bottleneck: int, *, projects: bool) -> dict[str, Shape]:
    outputs = 4 * bottleneck
    kernels = {
        "1": (1, 1, inputs, bottleneck),
        "2": (3, 3, bottleneck, bottleneck),
        "3": (1, 1, bottleneck, outputs),
    }
    if projects:
        kernels["_proj"] = (1, 1, inputs, outputs)
    shapes: dict[str, Shape] = {}
    for suffix, kernel in kernels.items():
        shapes[f"{name}/conv{suffix}/kernel"] = kernel
        shapes |= _normalization(f"{name}/gn{suffix}", (1, 1, 1, kernel[-1]))
    return shapes
