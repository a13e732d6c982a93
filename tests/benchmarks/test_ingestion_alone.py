"""Tests of the figures that benchmarks/ingest.py computes from a measured run."""

import pytest

from benchmarks.ingestion.ingestion_alone import Ingestion, Worker, _second_half


def test_one_worker():
    run = Ingestion(500, 1000, wall=6, cpu=4, written=0, workers=[Worker(1000, 450, 0.9, 1.8)])
    assert run.cpu_rate == pytest.approx(500)
    assert run.wall_rate == pytest.approx(250)
    assert run.free_rate == pytest.approx(500)
    assert run.fixed_wall == pytest.approx(6 - 4)
    assert run.fixed_cpu == pytest.approx(4 - 2)


def test_two_workers_with_unequal_parts():
    """If each worker has its own core, the worker with more images determines the total rate."""
    workers = [Worker(600, 300, 0.6, 1), Worker(400, 200, 0.4, 1)]
    run = Ingestion(500, 1000, wall=7, cpu=10, written=0, workers=workers)
    assert run.cpu_rate == pytest.approx(500)
    assert run.wall_rate == pytest.approx(300 + 200)
    assert run.free_rate == pytest.approx(1000 / (600 / 500))
    assert run.fixed_cpu == pytest.approx(10 - 2)


def test_the_second_half_is_measured():
    looks = [(0, 1.0, 10.0), (10, 4.0, 20.0), (55, 5.0, 30.0), (100, 6.0, 45.0), (100, 7.0, 60.0)]
    assert _second_half(looks) == Worker(100, 45, 1.0, 15.0)
