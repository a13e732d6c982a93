"""The catalogue of models.

This module does not import TensorFlow, which takes seconds to import.

For each variant, which is an architecture with one set of weights, the catalogue contains a feature
extractor (`…_fe`), which the pipeline tunes, and a classifier (`…_classification`). The variant
vit_mini has no classifier.

Except for vit_mini, the models are those of the TF-Hub collection sayakpaul/vision_transformer (on
Kaggle: spsayakpaul/vision-transformer). The weights come from AugReg (Steiner et al., arXiv
2106.10270), and the architectures are defined in google-research/vision_transformer,
vit_jax/configs/models.py.
"""

import dataclasses
from typing import Any

from backbones.augreg.architecture import Architecture, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """A Vision Transformer: its architecture and one set of weights.

    Attributes:
      title: the model's name in papers.
      architecture: the sizes, including the 1,000-class head if the checkpoint has a head.
      checkpoint: the file name in the AugReg bucket; None for a model without published weights.
      sha256: SHA-256 of the checkpoint, 64 hex digits; None if it is not known. AugReg's authors
        publish no digests; the catalogue contains a digest only if independent projects verify
        their own downloads of the checkpoint with this digest.
      top1: published top-1 accuracy on ImageNet-1k at 224 pixels, in percent.
    """

    title: str
    architecture: Architecture
    checkpoint: str | None = None
    sha256: str | None = None
    top1: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """An entry of the catalogue: a variant for one task."""

    name: str
    task: Task
    variant: Variant
    licence: str = "Apache-2.0"

    @property
    def handle(self) -> str | None:
        """The TF-Hub handle of the model; None for a model without published weights."""
        if self.variant.checkpoint is None:
            return None
        return f"https://tfhub.dev/sayakpaul/{self.name}/1"

    @property
    def kaggle(self) -> str | None:
        """The Kaggle handle of the model; None for a model without published weights."""
        if self.variant.checkpoint is None:
            return None
        return f"spsayakpaul/vision-transformer/tensorFlow2/{self.name.replace('_', '-')}/1"

    @property
    def architecture(self) -> Architecture:
        """The architecture of the SavedModel; a feature extractor has no head."""
        classes = None if self.task == "fe" else self.variant.architecture.classes
        return dataclasses.replace(self.variant.architecture, classes=classes)


def _vit(patch_size: int, width: int, depth: int, heads: int, **hybrid: Any) -> Architecture:
    return Architecture(
        image_size=224,
        patch_size=patch_size,
        width=width,
        depth=depth,
        heads=heads,
        mlp_dim=4 * width,
        classes=1000,
        **hybrid,
    )


_I21K = "i21k-300ep-lr_0.001-aug"
_FINETUNED = "imagenet2012-steps_20k-lr"

VARIANTS = {
    "vit_b8": Variant(
        title="ViT B/8",
        architecture=_vit(8, 768, 12, 12),
        checkpoint=f"B_8-{_I21K}_medium2-wd_0.1-do_0.0-sd_0.0--{_FINETUNED}_0.01-res_224.npz",
        top1=85.948,
    ),
    "vit_l16": Variant(
        title="ViT L/16",
        architecture=_vit(16, 1024, 24, 16),
        checkpoint=f"L_16-{_I21K}_medium1-wd_0.1-do_0.1-sd_0.1--{_FINETUNED}_0.01-res_224.npz",
        top1=85.716,
    ),
    "vit_b16": Variant(
        title="ViT B/16",
        architecture=_vit(16, 768, 12, 12),
        checkpoint=f"B_16-{_I21K}_medium2-wd_0.03-do_0.0-sd_0.0--{_FINETUNED}_0.03-res_224.npz",
        top1=84.018,
    ),
    "vit_r50_l32": Variant(
        title="ViT R50+L/32",
        architecture=_vit(1, 1024, 24, 16, resnet_blocks=(3, 4, 6, 3)),
        checkpoint=f"R50_L_32-{_I21K}_medium1-wd_0.1-do_0.1-sd_0.1--{_FINETUNED}_0.01-res_224.npz",
        top1=83.784,
    ),
    "vit_r26_s32_lightaug": Variant(
        title="ViT R26+S/32 (light augmentation)",
        architecture=_vit(1, 384, 12, 6, resnet_blocks=(2, 2, 2, 2)),
        checkpoint=f"R26_S_32-{_I21K}_light0-wd_0.03-do_0.1-sd_0.1--{_FINETUNED}_0.03-res_224.npz",
        top1=80.944,
    ),
    "vit_r26_s32_medaug": Variant(
        title="ViT R26+S/32 (medium augmentation)",
        architecture=_vit(1, 384, 12, 6, resnet_blocks=(2, 2, 2, 2)),
        checkpoint=f"R26_S_32-{_I21K}_medium2-wd_0.1-do_0.0-sd_0.0--{_FINETUNED}_0.01-res_224.npz",
        top1=80.462,
    ),
    "vit_s16": Variant(
        title="ViT S/16",
        architecture=_vit(16, 384, 12, 6),
        checkpoint=f"S_16-{_I21K}_light1-wd_0.03-do_0.0-sd_0.0--{_FINETUNED}_0.03-res_224.npz",
        sha256="545815b4e770d2fa6ca4b3ccba7c16b035e474354e52d17ca197ea4efecbf4d3",
        top1=80.462,
    ),
    "vit_b32": Variant(
        title="ViT B/32",
        architecture=_vit(32, 768, 12, 12),
        checkpoint=f"B_32-{_I21K}_medium1-wd_0.03-do_0.0-sd_0.0--{_FINETUNED}_0.03-res_224.npz",
        top1=79.436,
    ),
    "vit_mini": Variant(
        title="ViT mini/8, 32 px, untrained",
        architecture=Architecture(
            image_size=32, patch_size=8, width=96, depth=4, heads=4, mlp_dim=384
        ),
    ),
}

MODELS = {
    model.name: model
    for key, variant in VARIANTS.items()
    for model in (
        Model(name=f"{key}_fe", task="fe", variant=variant),
        Model(name=f"{key}_classification", task="classification", variant=variant),
    )
    if model.task == "fe" or variant.architecture.classes
}
