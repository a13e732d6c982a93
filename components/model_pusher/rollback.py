"""Rolls a serving directory back: an earlier version is served again."""

import dataclasses

import tensorflow as tf

from common.errors import InputError, one_line
from components.model_pusher.publish import hold_serving_directory, now, publish
from components.model_pusher.push_records import PushRecord, read_records, write_record
from components.model_pusher.serving_directory import describe_served, identity, newest_version
from components.model_pusher.versions import list_versions


@dataclasses.dataclass(frozen=True)
class Rollback:
    """The result of a rollback.

    Attributes:
      served: the directory of the new version, which is served after the rollback.
      copy_of: the number of the earlier version that was copied to the new version.
      withdrawn: the number of the version that was served before the rollback.
    """

    served: str
    copy_of: int
    withdrawn: int


def roll_back(base_directory: str, version: int | None) -> Rollback:
    """Copies an earlier version to a new version, and marks the previously served version as
    withdrawn.

    Servers serve the version with the greatest number, so the copy becomes the served version. A
    run does not push a withdrawn model again. A rollback to a withdrawn version cancels the
    withdrawal of that version's model.

    Args:
      base_directory: the serving directory.
      version: the number of the earlier version; if None, the newest earlier version whose model is
        neither served nor withdrawn.

    Raises:
      InputError: there is no such version, the version is served already, or the directory cannot
        be written.
    """
    if newest_version(base_directory) is None:
        raise InputError(f"--rollback: {base_directory} has no version; expected a pushed version")
    try:
        return _roll_back(base_directory, version)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(
            f"--rollback: {base_directory} could not be changed ({one_line(error)}); "
            f"{describe_served(base_directory)}; make the directory writable, with room for one "
            "more model, and give the same command again"
        ) from error


def _roll_back(base_directory: str, version: int | None) -> Rollback:
    with hold_serving_directory(base_directory):
        versions, records = list_versions(base_directory), read_records(base_directory)
        served = str(newest_version(base_directory))
        identities = {
            number: identity(f"{base_directory}/{versions[number]}") for number in versions
        }
        current = next(number for number in versions if served.endswith(f"/{versions[number]}"))
        target = _choose(base_directory, version, current, identities, records)
        earlier = records.get(target)
        # The served model is marked as withdrawn before the new version is written. If the new
        # version were written first, and the process were killed before it marked the old model, a
        # later run could push the old model again. Servers do not read the records, so they serve
        # the withdrawn model until the new version is complete.
        for record in records.values():
            if record.identity == identities[target] and record.withdrawn_at:
                write_record(base_directory, dataclasses.replace(record, withdrawn_at=None))
        write_record(
            base_directory,
            _make_withdrawn_record(current, identities[current], records.get(current)),
        )
        new = publish(
            f"{base_directory}/{versions[target]}",
            base_directory,
            copy_of=target,
            run=earlier.run if earlier else "",
            accuracy=earlier.accuracy if earlier else None,
        )
    return Rollback(new, target, current)


def _choose(
    base_directory: str,
    version: int | None,
    current: int,
    identities: dict[int, str],
    records: dict[int, PushRecord],
) -> int:
    """Returns the number of the earlier version that the rollback copies."""
    others = [number for number, name in identities.items() if name != identities[current]]
    if version is None:
        withdrawn = {record.identity for record in records.values() if record.withdrawn_at}
        earlier = [n for n in others if n < current and identities[n] not in withdrawn]
        if not earlier:
            raise InputError(
                f"--rollback: {base_directory} has no version before {current}, the served one, "
                "that is a different model and was not withdrawn"
            )
        return earlier[-1]
    if version not in identities:
        found = ", ".join(map(str, identities))
        raise InputError(
            f"--rollback {version}: no such version in {base_directory}; found {found}"
        )
    if version not in others:
        raise InputError(
            f"--rollback {version}: this model is served already, as version {current}"
        )
    return version


def _make_withdrawn_record(version: int, name: str, record: PushRecord | None) -> PushRecord:
    """Returns the record of a version, with the current time as `withdrawn_at`.

    A version that this project did not push has no record, so the function creates a record.
    """
    known = record or PushRecord(version=version, identity=name, pushed_at="", is_complete=True)
    return dataclasses.replace(known, withdrawn_at=now())
