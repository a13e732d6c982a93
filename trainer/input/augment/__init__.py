"""Augmentation of training images, as small ops for tf.data. Evaluation and serving use none.

Every op that draws takes a `seed`, int32 or int64 [2], and gives the same image for the same
seed, whatever ran before or beside it: a training that is resumed sees the same images. Keras's
layers (RandAugment, MixUp, CutMix, RandomErasing, RandomColorJitter) are not used because they draw
from a SeedGenerator, whose state depends on how many images came before, and in which order; its
RandAugment also runs all of its operations, to keep one.

Images are float32 [H, W, 3] in [0, 255] up to `trainer.preprocessing.value_range`.
"""
