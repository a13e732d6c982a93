"""Tests how benchmarks/epochs.py reports a failed run; a whole measurement would take minutes."""

import pytest

from benchmarks.epochs import main


def test_a_run_that_fails_is_no_measurement():
    with pytest.raises(SystemExit) as error:
        main(["--model", "no_such_model", "--dataset", "digits"])
    assert "exit status 2" in error.value.code
    assert "no_such_model" in error.value.code.splitlines()[-1]
