"""Environment variables that must be set before TensorFlow is imported.

After this module is imported, TensorFlow uses oneDNN's kernels on every processor. By default,
TensorFlow uses these kernels only on processors with AVX-512 VNNI or better; on an AMD EPYC without
VNNI, a training step of a ViT S/16 took about a tenth longer without oneDNN. If
`TF_ENABLE_ONEDNN_OPTS` is set in the environment, its value is kept.
"""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
