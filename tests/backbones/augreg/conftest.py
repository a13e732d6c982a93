"""The golden checkpoints, and what the public implementation computes for them."""

from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def checkpoint_path():
    """Returns the `.npz` file of each golden checkpoint, by its name."""
    return lambda name: GOLDEN / f"{name}.params.npz"


@pytest.fixture(scope="session")
def checkpoint(checkpoint_path):
    """Returns the arrays in the file of each golden checkpoint, by its name."""

    def load(name):
        with np.load(checkpoint_path(name), allow_pickle=False) as arrays:
            return dict(arrays)

    return load


@pytest.fixture(scope="session")
def expected():
    """Returns inputs and expected outputs of each golden checkpoint, by its name."""

    def load(name):
        with np.load(GOLDEN / f"{name}.expected.npz", allow_pickle=False) as arrays:
            return dict(arrays)

    return load
