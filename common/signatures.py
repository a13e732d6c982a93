"""The names of the signatures of an exported model, and the names of their inputs.

This module does not import TensorFlow, which takes seconds to import.
"""

# The names of the signatures of an exported model. The name of each constant states the input of
# the signature: image files, tf.Examples or pixels.
FROM_BYTES = "serving_default"
FROM_EXAMPLES = "from_examples"
FROM_PIXELS = "from_pixels"
# Maps each signature to the name of its input. If the name of an input ends with _bytes, TensorFlow
# Serving and Vertex AI decode the base64 values of this input in JSON requests.
INPUT = {FROM_BYTES: "image_bytes", FROM_EXAMPLES: "examples", FROM_PIXELS: "images"}
