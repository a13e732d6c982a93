import pytest

from backbones.catalogue import MODELS
from benchmarks.backbone import computed_flops, main, published_flops


def test_published_operations():
    """timm lists 4.6 GMACs for ViT-S/16 and 17.6 GMACs for ViT-B/16; a MAC counts as two FLOPs."""
    assert published_flops(MODELS["vit_s16_fe"].architecture) == pytest.approx(9.2e9, rel=0.01)
    assert published_flops(MODELS["vit_b16_fe"].architecture) == pytest.approx(35.1e9, rel=0.01)


def test_the_last_block_skips_operations():
    architecture = MODELS["vit_s16_fe"].architecture
    skipped = 1 - computed_flops(architecture) / published_flops(architecture)
    assert 0.06 < skipped < 0.08


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nope"], "--model nope: expected a catalogue name"),
        (["--rounds", "0"], "--rounds: found '0'"),
        (["--batch-size", "0"], "--batch-size: found '0'"),
        (["--model", "vit_r50_l32_fe", "--torch", "python"], "expected a plain ViT"),
    ],
)
def test_bad_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_the_benchmark_prints_both_passes(capsys):
    """The benchmark prints a row for the forward pass and a row for training."""
    main(["--model", "vit_mini_fe", "--batch-size", "2", "--rounds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "vit_mini_fe, batch 2, median of 1 rounds"
    rows = {line.split()[0].rstrip(":"): line for line in lines[3:]}
    assert {"forward", "training"} <= set(rows)
    for name in ("forward", "training"):
        assert "MiB" in rows[name]
