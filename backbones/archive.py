"""A packed SavedModel -> its directory."""

import lzma
import os
import tarfile
import tempfile
import zlib
from pathlib import Path

from common.errors import InputError, one_line

_UNREADABLE = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)


def is_saved_model(directory: Path) -> bool:
    """Whether `directory` looks like a directory that `tf.saved_model.save` has written."""
    return (directory / "saved_model.pb").is_file()


def unpack(archive: Path, directory: Path) -> None:
    """Unpacks a SavedModel that lies at the root of a tar archive, or one directory below.

    Members that would end outside, devices and the like are refused.

    Args:
      archive: a tar file, compressed or not.
      directory: does not exist, or is empty. It appears complete and checked, or not at all.

    Raises:
      InputError: no such archive, or none with a SavedModel that keeps the contract of
        `backbones.contract`, as classifiers have to as well. The message does not name the file.
    """
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as staging:
        content = Path(staging, "content")  # for whom the umask says; `staging` is for nobody else
        content.mkdir()
        try:
            with tarfile.open(archive, "r:*") as tar:
                tar.extractall(content, filter="data")
        except tarfile.FilterError as error:
            raise InputError(f"an archive that reaches outside its directory ({error})") from error
        except tarfile.ReadError as error:
            raise InputError(f"{_content(archive)}, not a tar archive") from error
        except _UNREADABLE as error:
            raise InputError(f"an unreadable archive ({one_line(error)})") from error
        model = _saved_model_in(content)
        _check(model)
        os.rename(model, directory)


def _saved_model_in(content: Path) -> Path:
    for candidate in (content, *sorted(content.iterdir())):
        if is_saved_model(candidate):
            return candidate
    raise InputError("an archive without a SavedModel (there is no saved_model.pb in it)")


def _check(model: Path) -> None:
    from backbones.contract import check_backbone  # imports TensorFlow, which takes seconds

    try:
        check_backbone(model)
    except InputError as error:
        reason = str(error).replace(f"{model}/", "").removeprefix(f"{model}: ")
        raise InputError(f"an archive with an unfit SavedModel ({reason})") from error


def _content(archive: Path) -> str:
    with archive.open("rb") as file:
        start = file.read(256)
    if not start:
        return "an empty file"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page"
    return "a damaged file"
