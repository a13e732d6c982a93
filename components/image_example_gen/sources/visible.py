"""Recognises files and folders that programs leave beside images. Imports no TensorFlow."""

# Names in lower case. Hidden files and folders, such as .thumbnails and .DS_Store, need no entry:
# their names begin with a dot.
_LEFT_BEHIND = {
    "__macosx",  # resource forks of files, in archives that macOS wrote
    "desktop.ini",
    "ehthumbs.db",  # Windows Media Center
    "icon\r",  # Finder
    "lost+found",
    "thumbs.db",
    "@eadir",  # thumbnails of Synology's file station
    "@recycle",
    "#recycle",
    "$recycle.bin",
    "system volume information",
}

# The suffixes of image files. A file with another suffix may be an image too.
IMAGE_SUFFIXES = tuple(
    f".{suffix}"
    for suffix in (
        *("avif", "bmp", "gif", "heic", "heif", "ico", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg"),
        *("pbm", "pgm", "png", "ppm", "tif", "tiff", "webp"),
    )
)


def is_visible(name: str) -> bool:
    """Whether a file or folder with this name is read; false if it is left out.

    For example, thumbnails of a file manager are left out, since thumbnails of test images might
    get into the train split.
    """
    return not name.startswith(".") and name.lower() not in _LEFT_BEHIND
