"""The names of the signatures of an exported model, and the names of their inputs.

This module loads quickly, because it does not import TensorFlow.
"""

# The names of the signatures of an exported model. Each constant is named after its signature's
# input.
FROM_BYTES = "serving_default"
FROM_EXAMPLES = "from_examples"
FROM_PIXELS = "from_pixels"
# The name of the input of each signature. If the name of an input ends with _bytes, TensorFlow
# Serving and Vertex AI decode its base64 values in JSON requests.
INPUT = {FROM_BYTES: "image_bytes", FROM_EXAMPLES: "examples", FROM_PIXELS: "images"}
