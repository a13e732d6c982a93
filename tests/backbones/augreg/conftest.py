"""The golden checkpoints, and what the public implementation computes for them."""

from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def checkpoint_path():
    """Golden name -> its `.npz` file."""
    return lambda name: GOLDEN / f"{name}.params.npz"


@pytest.fixture(scope="session")
def checkpoint(checkpoint_path):
    """Golden name -> its arrays, as they lie in the file."""

    def load(name):
        with np.load(checkpoint_path(name), allow_pickle=False) as arrays:
            return dict(arrays)

    return load


@pytest.fixture(scope="session")
def expected():
    """Golden name -> inputs and expected outputs."""

    def load(name):
        with np.load(GOLDEN / f"{name}.expected.npz", allow_pickle=False) as arrays:
            return dict(arrays)

    return load
