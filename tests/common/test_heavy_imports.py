"""Tests of `common.heavy_imports`."""

import gc

import pytest

from common.heavy_imports import heavy_imports


@pytest.fixture(autouse=True)
def unfreeze():
    yield
    gc.unfreeze()


def test_imported_objects_are_left_out_of_the_search_for_garbage():
    with heavy_imports():
        assert not gc.isenabled()
        kept = ["an object of a library"]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert not any(one is kept for one in gc.get_objects())


def test_the_search_goes_on_after_a_failed_import():
    with pytest.raises(ImportError), heavy_imports():
        raise ImportError
    assert gc.isenabled()


def test_a_search_that_was_off_stays_off():
    gc.disable()
    try:
        with heavy_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
