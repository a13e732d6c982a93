"""The names of an exported model's signatures and of their inputs. Imports no TensorFlow."""

# The names of the signatures of an exported model; each signature is named after its input.
FROM_BYTES = "serving_default"
FROM_EXAMPLES = "from_examples"
FROM_PIXELS = "from_pixels"
# The name of the input of each signature. The suffix _bytes makes TensorFlow Serving and Vertex AI
# decode base64.
INPUT = {FROM_BYTES: "image_bytes", FROM_EXAMPLES: "examples", FROM_PIXELS: "images"}
