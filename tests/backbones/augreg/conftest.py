"""Fixtures of the golden checkpoints, and of the public implementation's outputs for them."""

from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def checkpoint_path():
    """Returns a function that maps the name of a golden checkpoint to its `.npz` file."""
    return lambda name: GOLDEN / f"{name}.params.npz"


@pytest.fixture(scope="session")
def checkpoint(checkpoint_path):
    """Returns a function that maps the name of a golden checkpoint to its arrays."""

    def load(name):
        with np.load(checkpoint_path(name), allow_pickle=False) as arrays:
            return dict(arrays)

    return load


@pytest.fixture(scope="session")
def expected():
    """Returns a function that maps the name of a golden checkpoint to its inputs and outputs."""

    def load(name):
        with np.load(GOLDEN / f"{name}.expected.npz", allow_pickle=False) as arrays:
            return dict(arrays)

    return load
