from pipeline.clean import clean
from pipeline.root import claim_root
from tests.pipeline.test_root import ONE
from tests.test_pipeline_runner import command


def write_checkpoints(root):
    (root / "checkpoints" / "0123" / "newest").mkdir(parents=True)
    (root / "checkpoints" / "0123" / "newest" / "step-1.index").write_bytes(b"x" * 1_500_000)


def test_checkpoints_of_a_root_are_removed_unless_a_run_is_going_on_there(tmp_path):
    root, cache = tmp_path / "runs" / "one", tmp_path / "cache"
    write_checkpoints(root)
    # Until a run has claimed `root` as its pipeline root, `clean` removes nothing from `root`.
    assert list(clean(cache, [root, tmp_path / "gone"])) == []
    with claim_root(root, ONE) as record_owner:
        record_owner()
        (line,) = clean(cache, [root])
        assert line == f"left alone: {root}/checkpoints: a run is using it"
    (line,) = clean(cache, [root])
    assert line == f"removed: {root}/checkpoints (1.5 MB)"
    assert not (root / "checkpoints").exists()


def test_the_command(project, tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "converted" / "a").mkdir(parents=True)
    write_checkpoints(tmp_path / "runs" / "one")
    with claim_root(tmp_path / "runs" / "one", ONE) as record_owner:
        record_owner()
    done = command(project, "--clean-cache", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"removed: {tmp_path}/home/converted (0.0 MB)",
        f"removed: {tmp_path}/runs/one/checkpoints (1.5 MB)",
    ]
    assert command(project, "--clean-cache", cwd=tmp_path).stdout == "nothing to remove\n"
