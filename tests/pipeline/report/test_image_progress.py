import os
import threading

from common.image_counts import VARIABLE, count_images
from pipeline.report import image_progress
from pipeline.report.image_progress import ImageProgress


class RecordingConsole:
    """A stand-in for the console that records the counts of images instead of showing them."""

    def __init__(self):
        self.counts = []
        self.has_shown = threading.Event()

    def images(self, done, total, pace):
        self.counts.append((done, total))
        self.has_shown.set()


def test_the_counts_of_the_running_node_are_shown(monkeypatch):
    monkeypatch.setattr(image_progress, "_INTERVAL", 0.01)
    shown = RecordingConsole()
    with ImageProgress(shown, {"StatisticsGen": 10, "Evaluator": 4}) as progress:
        progress.start("StatisticsGen")
        count_images(3)
        assert shown.has_shown.wait(10)
        progress.stop()
        assert shown.counts[-1] == (3, 10)
        progress.start("Trainer")
        assert VARIABLE not in os.environ
        shown.has_shown.clear()
        progress.start("Evaluator")
        count_images()
        assert shown.has_shown.wait(10)
        directory = os.environ[VARIABLE]
    assert shown.counts[-1] == (1, 4)
    assert VARIABLE not in os.environ
    assert not os.path.exists(directory)
