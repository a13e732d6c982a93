"""McNemar's test of two classifiers on the same images."""


def mcnemar(better: int, worse: int) -> float:
    """Returns the two-sided p-value of McNemar's exact test, in [0, 1].

    Of two equally good models, each is as likely as the other to be the right one where only one
    of them is right: the test is a binomial test of these images (Q. McNemar, Psychometrika 12,
    1947; exact version: A. L. Edwards, Psychometrika 13, 1948).

    Args:
      better: number of images that only the one model answers correctly.
      worse: number of images that only the other one answers correctly.
    """
    import scipy.stats

    if better + worse == 0:
        return 1.0
    return float(scipy.stats.binomtest(better, better + worse, 0.5).pvalue)


def describe_p(p: float) -> str:
    """Returns a p-value such as `p = 0.04` or `p = 2e-05`."""
    return f"p = {p:.2f}" if p >= 0.005 else f"p = {p:.1g}"
