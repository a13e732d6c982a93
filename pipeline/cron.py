"""When a schedule begins a run. Imports no TensorFlow.

Vertex AI takes cron's five fields (minute, hour, day of month, month, day of week), with
`TZ=<IANA zone> ` in front; Kubeflow Pipelines takes six, seconds first, in UTC.
"""

import dataclasses
import re
import zoneinfo
from collections.abc import Sequence

from trainer.errors import InputError

_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+")
_UTC = ("UTC", "Etc/UTC")
_NUMBER = re.compile(r"[0-9]+")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of cron.

    Attributes:
      name: what it counts.
      least: its least value.
      most: its greatest.
      names: of its values from `least` on, which may stand for them.
    """

    name: str
    least: int
    most: int
    names: Sequence[str] = ()

    def takes(self, text: str) -> bool:
        """Whether `text` is a list of values, of ranges, and of steps through them."""
        return all(map(self._takes_part, text.split(",")))

    def _takes_part(self, part: str) -> bool:
        span, slash, step = part.partition("/")
        if slash and not (_NUMBER.fullmatch(step) and 1 <= int(step) <= self.most):
            return False
        if span in ("*", "?"):
            return True
        first, hyphen, last = span.partition("-")
        ends = [self._value(end) for end in ((first, last) if hyphen else (first,))]
        return -1 not in ends and ends == sorted(ends)

    def _value(self, text: str) -> int:
        """The value that `text` stands for; -1 for none."""
        if text.upper() in self.names:
            return self.least + self.names.index(text.upper())
        is_value = _NUMBER.fullmatch(text) and self.least <= int(text) <= self.most
        return int(text) if is_value else -1

    def __str__(self) -> str:
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.name} {self.least}-{self.most}{names}"


# What Kubeflow Pipelines' parser takes, github.com/robfig/cron: no L, W or #, and no weekday 7.
# Vertex AI names no more than "cron".
FIELDS = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day", 1, 31),
    Field("month", 1, 12, _MONTHS),
    Field("weekday", 0, 6, _WEEKDAYS),
)


def check_cron(text: str) -> None:
    """Refuses what neither backend takes.

    Raises:
      InputError: an unknown time zone, neither five nor six fields, or a value outside its field.
    """
    zone, fields = _split(text)
    if zone is not None and zone not in zoneinfo.available_timezones():
        raise InputError(f"--schedule {text}: there is no time zone {zone}; expected an IANA name")
    if len(fields) not in (5, 6):
        raise InputError(
            f"--schedule {text}: expected five fields of cron (minute hour day month weekday), "
            'such as "TZ=Europe/Berlin 0 3 * * 1"'
        )
    for field, value in zip(FIELDS[-len(fields) :], fields, strict=True):
        if not field.takes(value):
            raise InputError(
                f"--schedule {text}: found {value}; expected {field}, or lists, ranges and steps "
                "of these, such as 1-5 or */2"
            )


def check_schedule(text: str, runner: str) -> None:
    """Refuses what `runner`, a key of `FORMS`, does not take.

    Raises:
      InputError: it is no schedule, or none that this runner takes.
    """
    check_cron(text)
    FORMS[runner](text)


def for_vertex(text: str) -> str:
    """`text` as Vertex AI takes it.

    Raises:
      InputError: it has seconds.
    """
    zone, fields = _split(text)
    if len(fields) == 6:
        if fields[0] != "0":
            raise InputError(f"--schedule {text}: expected five fields; Vertex AI has no seconds")
        fields = fields[1:]
    return " ".join(
        ([f"TZ={zone}"] if zone else []) + [field.replace("?", "*") for field in fields]
    )


def for_kubeflow(text: str) -> str:
    """`text` as Kubeflow Pipelines takes it.

    Raises:
      InputError: it names a time zone other than UTC.
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
