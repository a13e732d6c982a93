import pytest

from pipeline.cron import check_cron, for_kubeflow, for_vertex
from trainer.errors import InputError


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
def test_both_forms(text, vertex, kubeflow):
    check_cron(text)
    assert (for_vertex(text), for_kubeflow(text)) == (vertex, kubeflow)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 3 * *", "expected five fields"),
        ("0 3 * * 1 2 3", "expected five fields"),
        ("0 3 * * $", r"found \$; expected weekday 0-6 or SUN-SAT"),
        ("60 3 * * 1", "found 60; expected minute 0-59"),
        ("0 24 * * 1", "found 24; expected hour 0-23"),
        ("0 3 0 * *", "found 0; expected day 1-31"),
        ("0 3 32 * *", "found 32; expected day 1-31"),
        ("0 3 * 13 *", "found 13; expected month 1-12 or JAN-DEC"),
        ("0 3 * * 7", "found 7; expected weekday 0-6"),
        ("60 0 3 * * 1", "found 60; expected second 0-59"),
        ("0 3 L * *", "found L; expected day"),
        ("0 3 15W * *", "found 15W; expected day"),
        ("0 3 * * 1#2", "found 1#2; expected weekday"),
        ("0 3 * JANUARY *", "found JANUARY; expected month"),
        ("0 3 * MON *", "found MON; expected month"),
        ("0 18-8 * * *", "found 18-8; expected hour"),
        ("0 1-2-3 * * *", "found 1-2-3; expected hour"),
        ("0 1, * * *", "found 1,; expected hour"),
        ("*/0 3 * * *", r"found \*/0; expected minute"),
        ("*/90 3 * * *", r"found \*/90; expected minute"),
        ("*/ 3 * * *", r"found \*/; expected minute"),
        ("-1 3 * * *", "found -1; expected minute"),
        ("*-5 3 * * *", r"found \*-5; expected minute"),
        ("", "expected five fields"),
        ("TZ=Europe/Berln 0 3 * * 1", "there is no time zone Europe/Berln"),
    ],
)
def test_what_neither_takes(text, message):
    with pytest.raises(InputError, match=message):
        check_cron(text)


def test_what_one_of_them_does_not_take():
    with pytest.raises(InputError, match="Vertex AI has no seconds"):
        for_vertex("30 0 3 * * 1")
    assert for_vertex("TZ=Europe/Berlin 0 3 * * 1") == "TZ=Europe/Berlin 0 3 * * 1"
    with pytest.raises(InputError, match="schedules are in UTC"):
        for_kubeflow("TZ=Europe/Berlin 0 3 * * 1")
