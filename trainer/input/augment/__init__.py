"""Augmentation of training images, as small ops for tf.data. Evaluation and serving use none.

Every random op takes a `seed`, int32 or int64 [2], and returns the same image for the same seed,
whatever ran before or beside it: a training that is resumed sees the same images. Keras's layers
(RandAugment, MixUp, CutMix, RandomErasing, RandomColorJitter) are not used because they draw from a
SeedGenerator, whose state depends on how many images came before, and in which order. Keras's
RandAugment also computes all of its operations and keeps the result of one.

Images are float32 [H, W, 3] in [0, 255] until `trainer.preprocessing.value_range` maps them to
[-1, 1].
"""
