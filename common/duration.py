"""Durations in words."""


def describe_duration(seconds: float) -> str:
    """Returns a duration such as `0.4 s`, `48 s`, `12 min` or `3 h 20 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
