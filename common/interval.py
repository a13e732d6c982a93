"""How far a measured fraction may be from the true one. Imports no TensorFlow."""

import math


def wilson_interval(hits: int, images: int) -> tuple[float, float]:
    """95 % confidence interval of a fraction, in [0, 1] (E. B. Wilson, 1927).

    Args:
      hits: how many of the images are right.
      images: how many there are, at least 1.
    """
    z = 1.959964  # 97.5 % of a standard normal distribution lie below
    fraction = hits / images
    centre = (fraction + z**2 / (2 * images)) / (1 + z**2 / images)
    spread = math.sqrt(fraction * (1 - fraction) / images + z**2 / (4 * images**2))
    half = spread * z / (1 + z**2 / images)
    return max(0.0, centre - half), min(1.0, centre + half)
