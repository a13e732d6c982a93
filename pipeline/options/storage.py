"""The storage of a pipeline on Kubeflow Pipelines: object store, volumes, `cloud.state_dir`.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import posixpath
import re
from collections.abc import Mapping, Sequence

from common.errors import InputError
from common.options import Check

# The URI schemes of object stores that neither TensorFlow nor Beam reads. Pipelines can keep
# artifacts under minio:// and s3:// URIs, because the launcher of Kubeflow Pipelines copies
# artifacts between the object store and the container's disk.
LAUNCHER_SCHEMES = ("minio", "s3")

# Kubernetes requires an RFC 1123 label as the name of a pod's volume. Kubeflow Pipelines names each
# volume after its PersistentVolumeClaim, so the name of the claim must be an RFC 1123 label.
_CLAIM = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# The names and the paths of the volumes that Kubeflow Pipelines itself adds to each pod
# (addContainerExecutorTemplate in kubeflow/pipelines, release 2.17.0,
# backend/src/v2/compiler/argocompiler/container.go). A user's volume must have another name and
# another path. TEMPORARY_VOLUME is the name of the volume for `machines.<node>.disk_gb`.
TEMPORARY_VOLUME = "temporary"
_TAKEN_NAMES = (
    "gcs-scratch",
    "s3-scratch",
    "minio-scratch",
    "dot-local-scratch",
    "dot-cache-scratch",
    "dot-config-scratch",
    "kfp-launcher",
    TEMPORARY_VOLUME,
)
_TAKEN_PATHS = ("/gcs", "/s3", "/minio", "/.local", "/.cache", "/.config", "/kfp-launcher")


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume that every step mounts.

    Attributes:
      claim: the name of the PersistentVolumeClaim, in the namespace of the runs.
      path: the absolute path at which containers mount the volume, without a trailing `/`.
    """

    claim: str
    path: str

    @classmethod
    def parse(cls, text: str) -> "Volume":
        """Parses `CLAIM:/PATH`."""
        claim, _, path = text.partition(":")
        return cls(claim, normalise(path) if path else "")

    @property
    def _is_possible(self) -> bool:
        return (
            _CLAIM.fullmatch(self.claim) is not None
            and self.claim not in _TAKEN_NAMES
            and self.path.startswith("/")
            and self.path not in ("/", "//", "/tmp")
            and not any(is_within(self.path, taken) for taken in _TAKEN_PATHS)
        )


def _are_possible(texts: Sequence[str]) -> bool:
    volumes = [Volume.parse(text) for text in texts]
    # Kubeflow Pipelines names each volume of a pod after its claim (makeVolumeMountPatch in
    # backend/src/v2/driver/k8s.go). The volumes of a pod must have different names, so a pod can
    # mount a claim only once.
    return all(
        volume._is_possible and not any(v.claim == volume.claim for v in volumes[:number])
        for number, volume in enumerate(volumes)
    )


VOLUMES = Check(
    "CLAIM:/PATH, such as vit-state:/state, with each claim once; CLAIM has at most 63 characters "
    "of a-z, 0-9 and -; /PATH is not in "
    f"{', '.join(_TAKEN_PATHS)}, which every pod already uses",
    _are_possible,
)
STATE_DIR = Check(
    "gs://BUCKET/PATH, or an absolute path in a volume of cloud.volumes",
    lambda place: place.startswith(("gs://", "/")),
)


def normalise(place: str) -> str:
    """Removes a trailing `/` from a path or URI, and resolves `..` if `place` is a path."""
    return place.rstrip("/") if "://" in place else posixpath.normpath(place)


def is_in_launcher_store(place: str) -> bool:
    """Whether `place` is a minio:// or s3:// URI, which only the launcher of Kubeflow Pipelines can
    read.
    """
    return place.partition("://")[0] in LAUNCHER_SCHEMES and "://" in place


def is_within(place: str, directory: str) -> bool:
    """Whether `place` is equal to `directory` or inside `directory`.

    This function compares the two absolute paths as texts and does not follow symbolic links,
    because the paths may exist only in containers.
    """
    return f"{normalise(place)}/".startswith(f"{normalise(directory)}/")


def check_storage(
    *, pipeline_root: str, state_dir: str | None, volumes: Sequence[str], written: Mapping[str, str]
) -> None:
    """Checks that a pipeline keeps its files where all steps can read them.

    Args:
      pipeline_root: the pipeline root; empty if each run has its own root.
      state_dir: the value of `cloud.state_dir`.
      volumes: the value of `cloud.volumes`.
      written: all directories to which the steps write, except the pipeline root and `state_dir`,
        in a dictionary by flag, such as "--serving-dir".

    Raises:
      InputError: the pipeline root is a minio:// or s3:// URI and `cloud.state_dir` is missing; or
        a directory is in no mounted volume, and its files would be lost when the step ends.
    """
    if is_in_launcher_store(pipeline_root) and not state_dir:
        raise InputError(
            f"--pipeline-root {pipeline_root}: found no cloud.state_dir, and this store can "
            "contain only artifacts; expected cloud.state_dir, for blessed models, checkpoints, "
            "pushed "
            "models and data: a path in a claim (--set cloud.volumes=CLAIM:/state --set "
            "cloud.state_dir=/state/NAME), or gs://BUCKET/PATH"
        )
    places = {"cloud.state_dir": state_dir or ""}
    if "://" in pipeline_root or state_dir:
        places |= written
    mounted = [Volume.parse(text).path for text in volumes]
    for option, place in places.items():
        if place.startswith("/") and not any(is_within(place, path) for path in mounted):
            raise InputError(
                f"{option} {place}: is in no mounted volume, so its files are lost when a step "
                f"ends; expected a path in {' or '.join(mounted) or 'a volume of cloud.volumes'}, "
                "or gs://BUCKET/PATH"
            )
