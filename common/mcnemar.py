"""McNemar's exact test, which compares two classifiers on the same images."""


def mcnemar(better: int, worse: int) -> float:
    """Returns the two-sided p-value of McNemar's exact test, in [0, 1].

    The test uses only the images that exactly one of the two models classifies correctly. If the
    models are equally good, each of these images is classified correctly by either model with
    probability 1/2, so the test is a binomial test.

    References: Q. McNemar, Psychometrika 12 (1947); exact version: A. L. Edwards, Psychometrika 13
    (1948).

    Args:
      better: number of images that only the first model classifies correctly.
      worse: number of images that only the second model classifies correctly.
    """
    import scipy.stats

    if better + worse == 0:
        return 1.0
    return float(scipy.stats.binomtest(better, better + worse, 0.5).pvalue)


def describe_p(p: float) -> str:
    """Returns a p-value as a text, such as `p = 0.04` or `p = 2e-05`."""
    return f"p = {p:.2f}" if p >= 0.005 else f"p = {p:.1g}"
