"""The confidence interval of a fraction: Wilson's score interval.

E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
American Statistical Association 22 (1927). The results of this module agree with
`scipy.stats.binomtest(hits, images).proportion_ci(method="wilson")`.

This module does not import TensorFlow, which takes seconds to import.
"""

import math
import statistics


def wilson_interval(hits: int, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the two-sided confidence interval of a fraction, in [0, 1].

    Args:
      hits: the number of correctly classified images.
      images: the number of images, at least 1.
      confidence: the confidence that the interval contains the fraction, in [0, 1).
    """
    z = _quantile((1 + confidence) / 2)
    fraction = hits / images
    centre = (fraction + z**2 / (2 * images)) / (1 + z**2 / images)
    spread = math.sqrt(fraction * (1 - fraction) / images + z**2 / (4 * images**2))
    half = spread * z / (1 + z**2 / images)
    return max(0.0, centre - half), min(1.0, centre + half)


def wilson_lower_bound(hits: int, images: int, confidence: float) -> float:
    """Returns the lower confidence bound of a fraction (one-sided), in [0, 1].

    Args:
      hits: the number of correctly classified images.
      images: the number of images, at least 1.
      confidence: the confidence that the fraction is at least the bound, in [0, 1). For a
        confidence of 0.5 or less, the function returns the measured fraction, `hits / images`.
    """
    return wilson_interval(hits, images, max(0.0, 2 * confidence - 1))[0]


def images_needed(floor: float, confidence: float) -> int | None:
    """Returns the smallest number of test images with which a perfect model reaches `floor`.

    If a model classifies all n test images correctly, the lower confidence bound of its accuracy is
    n / (n + z²), where z is the quantile of the standard normal distribution for `confidence`.

    Args:
      floor: the required lower confidence bound of the accuracy, in [0, 1].
      confidence: the confidence of the lower bound, as in `wilson_lower_bound`.

    Returns:
      The number of test images, at least 1; None for a floor of 1, which no number of images can
      reach.
    """
    z = _quantile(max(confidence, 0.5))
    if z == 0:
        return 1
    return None if floor >= 1 else max(1, math.ceil(floor * z**2 / (1 - floor)))


def _quantile(probability: float) -> float:
    """Returns a quantile of the standard normal distribution."""
    return statistics.NormalDist().inv_cdf(probability)
