from benchmarks import source_fingerprint


def test_the_benchmark_prints_both_fingerprints(capsys, monkeypatch):
    monkeypatch.setattr(source_fingerprint, "_SETTLED", 0)
    source_fingerprint.main(["--files", "200", "--bytes", "10"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("200 files of 10 bytes")
    assert [line.split(" fingerprint")[0] for line in lines[1:]] == ["first", "later"]
    assert lines[2].endswith("<= 0.002")
