"""Augmentation of training images, as small ops for tf.data. Evaluation and serving use no
augmentation.

Every random op takes a `seed`, int32 or int64 [2]. The result of an op depends on nothing but the
image and the seed, so a resumed training gets the same augmented images as a training without an
interruption. Keras's layers (RandAugment, MixUp, CutMix, RandomErasing, RandomColorJitter) are not
used, because they draw from a SeedGenerator, whose state depends on the number and the order of the
previous images. Keras's RandAugment also computes all operations for each image, and keeps the
result of one.

Images are float32 [H, W, 3] in [0, 255] until `trainer.preprocessing.value_range` maps them to
[-1, 1].
"""
