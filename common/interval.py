"""The confidence interval of a measured fraction. Imports no TensorFlow."""

import math


def wilson_interval(hits: int, images: int) -> tuple[float, float]:
    """Returns the 95 % confidence interval of a fraction, in [0, 1] (E. B. Wilson, 1927).

    Args:
      hits: the number of correctly classified images.
      images: the number of images, at least 1.
    """
    z = 1.959964  # the 97.5th percentile of the standard normal distribution
    fraction = hits / images
    centre = (fraction + z**2 / (2 * images)) / (1 + z**2 / images)
    spread = math.sqrt(fraction * (1 - fraction) / images + z**2 / (4 * images**2))
    half = spread * z / (1 + z**2 / images)
    return max(0.0, centre - half), min(1.0, centre + half)
