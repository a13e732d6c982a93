"""Tests which strategy `--strategy auto` chooses, with mocked accelerators."""

import json

import pytest
import tensorflow as tf

from trainer.training.strategy import _detect_strategy

WORKERS = {"TF_CONFIG": json.dumps({"cluster": {"chief": ["a:1"], "worker": ["b:1"]}})}
ALONE = {"TF_CONFIG": json.dumps({"cluster": {"chief": ["a:1"]}})}


@pytest.mark.parametrize(
    ("environment", "devices", "expected"),
    [
        ({}, {}, "single"),
        ({}, {"GPU": 1}, "single"),
        ({}, {"GPU": 2}, "mirrored"),
        ({}, {"TPU": 8}, "tpu"),
        ({"TPU_NAME": "local"}, {}, "tpu"),
        (ALONE, {"GPU": 2}, "mirrored"),
        (WORKERS, {}, "multiworker"),
        (WORKERS, {"GPU": 2}, "multiworker"),
    ],
)
def test_auto_uses_the_available_devices(monkeypatch, environment, devices, expected):
    for name in ("TF_CONFIG", "TPU_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def list_logical_devices(kind):
        return [tf.config.LogicalDevice(f"{kind}:{n}", kind) for n in range(devices.get(kind, 0))]

    monkeypatch.setattr(tf.config, "list_logical_devices", list_logical_devices)
    assert _detect_strategy() == expected
