"""Sets an environment variable; import this module before TensorFlow.

After this module is imported, TensorFlow uses oneDNN's kernels on every processor. By default,
TensorFlow uses these kernels only on processors with AVX-512 VNNI or better; without oneDNN, a
training step of a ViT S/16 on an AMD EPYC without VNNI took about 10 % longer. If the user has set
`TF_ENABLE_ONEDNN_OPTS`, the user's value is kept.
"""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
