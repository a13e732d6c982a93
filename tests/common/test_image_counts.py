import os
import subprocess
import sys

from common import image_counts
from common.image_counts import count_images, read_image_count


def test_the_counts_of_all_processes_are_added(tmp_path, monkeypatch, project):
    monkeypatch.setenv(image_counts.VARIABLE, str(tmp_path))
    count_images(3)
    code = "from common.image_counts import count_images; count_images(); count_images(4)"
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True)
    assert read_image_count(tmp_path) == 8
    count_images(300)
    assert read_image_count(tmp_path) == 308


def test_a_forked_process_has_a_count_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv(image_counts.VARIABLE, str(tmp_path))
    count_images(3)
    child = os.fork()
    if not child:
        count_images(4)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    count_images()
    assert read_image_count(tmp_path) == 8


def test_each_node_has_a_count_of_its_own(tmp_path, monkeypatch):
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    monkeypatch.setenv(image_counts.VARIABLE, str(first))
    count_images(3)
    # The folder `second` does not exist, as after the end of a run, so this image is not counted.
    monkeypatch.setenv(image_counts.VARIABLE, str(second))
    count_images(1)
    second.mkdir()
    assert read_image_count(first) == 3
    assert read_image_count(second) == 0


def test_without_the_variable_nothing_is_counted(tmp_path, monkeypatch):
    monkeypatch.delenv(image_counts.VARIABLE, raising=False)
    count_images()
    assert read_image_count(tmp_path) == 0
