"""The record of the last push, which tells a run whether its model has been pushed already."""

import dataclasses
import json
from typing import Any

import tensorflow as tf

from common.file_records import FileRecord, find_damage, record_files
from common.files import write_whole
from common.notice import print_notice
from components.model_pusher.serving_directory import newest_version, served_state
from components.model_pusher.settings import PusherSettings

_NOTHING = "nothing"


@dataclasses.dataclass(frozen=True)
class Push:
    """The record of a push.

    Attributes:
      training: fingerprint of the training that made the pushed model.
      before: the result of `Serving.key` at the start of the run that pushed the model.
      after: the string that `served_state` returned directly after the push.
      version: the version directory to which the model was pushed.
      contents: the `FileRecord` of each file in the version directory, by relative path.
    """

    training: str
    before: str
    after: str
    version: str
    contents: dict[str, FileRecord]


def push_record(state_dir: str) -> str:
    """Returns the path of the file, in a pipeline's state directory, that records the last push."""
    return f"{state_dir}/pushed.json"


def record_push(settings: PusherSettings, base_directory: str) -> None:
    """Records that a model was just pushed to `base_directory`."""
    version = newest_version(base_directory)
    state = served_state(base_directory)
    assert version and state
    push = Push(settings.training, settings.serving_state, state, version, record_files(version))
    write_whole(settings.push_record, json.dumps(dataclasses.asdict(push)))


@dataclasses.dataclass(frozen=True)
class Serving:
    """The state of the serving directory at the start of a run.

    Attributes:
      state: the string that `served_state` returned; None if no model is served.
      last_push: the record of the last push; None if there is no record.
      damage: a description of the first file of the served version that has changed since the last
        push; None if no file has changed, or if the last push did not push the served version.
    """

    state: str | None
    last_push: Push | None
    damage: str | None = None

    @classmethod
    def find(cls, record: str, base_directory: str) -> "Serving":
        """Reads the record of the last push, and finds the served version of `base_directory`.

        Prints a notice if a file of the served version is missing or has changed since the last
        push.

        Args:
          record: the path that `push_record` returned.
          base_directory: the serving directory.
        """
        push, state = _read(record), served_state(base_directory)
        damage = None
        if push and newest_version(base_directory) == push.version:
            damage = find_damage(push.version, push.contents, trust_times=True)
        if damage:
            print_notice(
                f"{damage}: the served model is damaged, or was changed in place; if the gate "
                "blesses this run's model, it replaces the served model; if not, restore the "
                "served model or remove its directory"
            )
        return cls(state, push, damage)

    def key(self, training: str) -> str:
        """Returns the part of Pusher's cache key that describes the last push.

        If the last pushed model comes from `training`, and the serving directory has not changed
        since that push, the key equals the key in the run that pushed the model, so TFX takes the
        result of Pusher from the cache.

        Otherwise, the key differs from the key in the run that pushed the model, so TFX runs
        Pusher. Pusher pushes a model again if the served copy was removed or damaged.

        Args:
          training: fingerprint of the training that makes the model of this run.
        """
        push = self.last_push
        if push is None:
            return self.state or _NOTHING
        if self.state is None:
            return f"{_NOTHING} after {push.after}"
        if self.damage:
            return f"{self.damage} after {push.after}"
        return push.before if (push.training, push.after) == (training, self.state) else self.state


def _read(record: str) -> Push | None:
    """Reads the record of the last push; returns None if the record is missing or damaged."""
    if not tf.io.gfile.exists(record):
        return None
    with tf.io.gfile.GFile(record) as file:
        text = file.read()
    try:
        values: dict[str, Any] = json.loads(text)
        contents = {name: FileRecord(*content) for name, content in values["contents"].items()}
        return Push(**values | {"contents": contents})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        print_notice(
            f"{record}: is damaged ({error!r}); expected the record of the last push; it is "
            "ignored, and written again at the next push"
        )
        return None
