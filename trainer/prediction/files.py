"""Finds the images that a command names: single files, and all images in folders or buckets."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import InputError

# The suffixes by which images in folders are recognised. A file that the command line names
# directly may have any suffix.
SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".gif", ".bmp", ".dib", ".webp",
}  # fmt: skip


def find_files(paths: Sequence[str]) -> list[str]:
    """Returns the files in the order of `paths`; the files of a folder are sorted by name.

    The result includes paths of files that do not exist, so that the caller reports them like other
    unreadable files. When a folder is searched, files and subfolders whose names begin with a dot
    are skipped.

    Raises:
      InputError: a folder contains no image, or a bucket cannot be listed.
    """
    return [file for path in paths for file in _find_in_path(path)]


def _find_in_path(path: str) -> list[str]:
    if "://" not in path:
        if not Path(path).is_dir():
            return [path]
        found = sorted(str(file) for file in Path(path).rglob("*") if _is_image(file, Path(path)))
    else:
        found = sorted(_walk_bucket(path.rstrip("/")))
    if not found:
        raise InputError(f"{path}: no image in this folder; expected files such as a.jpg or b.png")
    return found


def _is_image(file: Path, root: Path) -> bool:
    parts = file.relative_to(root).parts
    is_hidden = any(part.startswith(".") for part in parts)
    return file.suffix.lower() in SUFFIXES and not is_hidden and not file.is_dir()


def _walk_bucket(uri: str) -> Iterator[str]:
    import tensorflow as tf

    try:
        if not tf.io.gfile.isdir(uri):
            yield uri
            return
        for folder, _, names in tf.io.gfile.walk(uri):
            for name in names:
                file = f"{folder.rstrip('/')}/{name}"
                if _is_image(Path(file), Path(uri)):
                    yield file
    except tf.errors.OpError as error:
        reason = " ".join(error.message.split())[:200]
        raise InputError(f"{uri}: cannot be listed ({reason}); expected a folder") from error


def read_file(path: str) -> bytes:
    """Returns the content of a file; raises OSError if the file cannot be read."""
    if "://" not in path:
        return Path(path).read_bytes()
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return file.read()
    except tf.errors.OpError as error:
        raise OSError(0, " ".join(error.message.split())[:200]) from error
