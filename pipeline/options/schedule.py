"""The times of scheduled runs, as cron expressions.

This module does not import TensorFlow, which takes seconds to import.

In a schedule of Vertex AI, an optional time zone, such as `TZ=Europe/Berlin`, precedes cron's five
fields: minute, hour, day of month, month, and day of week. A schedule of Kubeflow Pipelines is in
UTC and has six fields: the seconds, followed by cron's five fields.
"""

import re
import zoneinfo

from common.errors import InputError

_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+")
_UTC = ("UTC", "Etc/UTC")


def check_cron(text: str) -> None:
    """Checks the time zone and the number of fields of a cron expression.

    This function does not check the values of the fields, because the service that runs the
    schedule checks the values.

    Raises:
      InputError: the time zone is unknown, or the number of fields is neither five nor six.
    """
    zone, fields = _split(text)
    if zone is not None and zone not in zoneinfo.available_timezones():
        raise InputError(f"--schedule {text}: there is no time zone {zone}; expected an IANA name")
    if len(fields) not in (5, 6):
        raise InputError(
            f"--schedule {text}: expected five fields of cron (minute hour day month weekday), "
            'such as "TZ=Europe/Berlin 0 3 * * 1"'
        )


def check_schedule(text: str, runner: str) -> None:
    """Checks that the service of a runner accepts a cron expression.

    Args:
      text: the cron expression.
      runner: "kubeflow" or "vertex".

    Raises:
      InputError: the text is not a cron expression, or the service does not accept it.
    """
    check_cron(text)
    FORMS[runner](text)


def for_vertex(text: str) -> str:
    """Converts a cron expression to the form that Vertex AI expects.

    Raises:
      InputError: the seconds are not 0 (Vertex AI's schedules have no seconds).
    """
    zone, fields = _split(text)
    if len(fields) == 6:
        if fields[0] != "0":
            raise InputError(
                f"--schedule {text}: found six fields; expected five, since Vertex AI's schedules "
                "have no seconds"
            )
        fields = fields[1:]
    return " ".join(
        ([f"TZ={zone}"] if zone else []) + [field.replace("?", "*") for field in fields]
    )


def for_kubeflow(text: str) -> str:
    """Converts a cron expression to the form that Kubeflow Pipelines expects.

    Raises:
      InputError: the time zone is not UTC (Kubeflow Pipelines' schedules are in UTC).
    """
    zone, fields = _split(text)
    if zone is not None and zone not in _UTC:
        raise InputError(
            f"--schedule {text}: found the time zone {zone}; Kubeflow Pipelines' schedules are in "
            "UTC: convert the hours and leave TZ= out"
        )
    return " ".join(fields if len(fields) == 6 else ["0", *fields])


FORMS = {"kubeflow": for_kubeflow, "vertex": for_vertex}


def _split(text: str) -> tuple[str | None, list[str]]:
    match = _ZONE.match(text)
    return (match[1], text[match.end() :].split()) if match else (None, text.split())
