import pytest

from common.errors import InputError
from pipeline.options.schedule import check_cron, for_kubeflow, for_vertex


@pytest.mark.parametrize(
    ("text", "vertex", "kubeflow"),
    [
        ("0 3 * * 1", "0 3 * * 1", "0 0 3 * * 1"),
        ("0 0 3 * * 1", "0 3 * * 1", "0 0 3 * * 1"),
        ("TZ=UTC */5 * * * *", "TZ=UTC */5 * * * *", "0 */5 * * * *"),
        ("CRON_TZ=UTC 0 9 ? * MON-FRI", "TZ=UTC 0 9 * * MON-FRI", "0 0 9 ? * MON-FRI"),
        (
            "0,30 8-18/2 1-15 jan,JUL *",
            "0,30 8-18/2 1-15 jan,JUL *",
            "0 0,30 8-18/2 1-15 jan,JUL *",
        ),
        ("59 23 31 12 6", "59 23 31 12 6", "0 59 23 31 12 6"),
        ("00 03 5/7 * SUN", "00 03 5/7 * SUN", "0 00 03 5/7 * SUN"),
    ],
)
def test_both_formats_of_schedules(text, vertex, kubeflow):
    check_cron(text)
    assert (for_vertex(text), for_kubeflow(text)) == (vertex, kubeflow)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 3 * *", "expected five fields"),
        ("0 3 * * 1 2 3", "expected five fields"),
        ("", "expected five fields"),
        ("TZ=Europe/Berln 0 3 * * 1", "there is no time zone Europe/Berln"),
    ],
)
def test_invalid_schedules(text, message):
    with pytest.raises(InputError, match=message):
        check_cron(text)


def test_schedules_that_one_service_does_not_take():
    with pytest.raises(InputError, match="found six fields; expected five"):
        for_vertex("30 0 3 * * 1")
    assert for_vertex("TZ=Europe/Berlin 0 3 * * 1") == "TZ=Europe/Berlin 0 3 * * 1"
    with pytest.raises(InputError, match="schedules are in UTC"):
        for_kubeflow("TZ=Europe/Berlin 0 3 * * 1")
