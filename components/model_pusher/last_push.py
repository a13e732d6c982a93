"""The record of the last push: from it a run sees that it would push nothing new."""

import dataclasses
import json
from typing import Any

import tensorflow as tf

from common.file_records import FileRecord, find_damage, record_files
from common.files import write_whole
from common.notice import notice
from components.model_pusher.serving_directory import newest_version, served_state
from components.model_pusher.settings import PusherSettings

_NOTHING = "nothing"


@dataclasses.dataclass(frozen=True)
class Push:
    """A push.

    Attributes:
      training: fingerprint of the training of the pushed model.
      before: `Serving.key` of the run that pushed it.
      after: state of the serving directory when it was pushed.
      version: the directory that was pushed to.
      contents: the contents of its files, by relative path.
    """

    training: str
    before: str
    after: str
    version: str
    contents: dict[str, FileRecord]


def push_record(state_dir: str) -> str:
    """Returns the path of the record of the last push, in the directory of a pipeline's state."""
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
      state: the state of the directory; None if no model is served.
      last_push: the last one that was recorded.
      damage: how the version that was pushed then has changed since; None where it has not.
    """

    state: str | None
    last_push: Push | None
    damage: str | None = None

    @classmethod
    def find(cls, record: str, base_directory: str) -> "Serving":
        """Looks at `base_directory`, and says so where the served model is damaged.

        Args:
          record: the path that `push_record` returned.
          base_directory: the serving directory.
        """
        push, state = _read(record), served_state(base_directory)
        damage = None
        if push and newest_version(base_directory) == push.version:
            damage = find_damage(push.version, push.contents, trust_times=True)
        if damage:
            notice(
                f"{damage}: the served model is damaged, or was changed in place; it is pushed "
                "again if this run's model is blessed, else put it back or remove the directory"
            )
        return cls(state, push, damage)

    def key(self, training: str) -> str:
        """Returns the part of Pusher's cache key that describes the last push.

        Where the last push was of this training, and nothing has changed since, it is the key of
        that push: so an identical second run finds Pusher's result. In all other cases it is a text
        that such a push has not seen: a model that vanished, again and again, or was damaged, is
        pushed again.

        Args:
          training: fingerprint of the training whose model may be pushed.
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
    """Reads the last push; returns None if none was recorded."""
    if not tf.io.gfile.exists(record):
        return None
    with tf.io.gfile.GFile(record) as file:
        text = file.read()
    try:
        values: dict[str, Any] = json.loads(text)
        contents = {name: FileRecord(*content) for name, content in values["contents"].items()}
        return Push(**values | {"contents": contents})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        notice(
            f"{record}: is damaged ({error!r}); expected the record of the last push; it is left "
            "out, and written anew at the next push"
        )
        return None
