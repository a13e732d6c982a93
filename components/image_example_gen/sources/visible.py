"""Recognises files and folders that programs and operating systems create in image folders.

This module does not import TensorFlow, which takes seconds to import.
"""

# The names, in lower case, of files and folders that programs and operating systems create. Hidden
# files and folders, such as .DS_Store and .thumbnails, are recognised by the dot at the beginning
# of their names.
_LEFT_BEHIND = {
    "__macosx",  # macOS adds this folder of resource forks to archives
    "desktop.ini",
    "ehthumbs.db",  # thumbnails that Windows Media Center makes
    "icon\r",  # Finder
    "lost+found",
    "thumbs.db",
    "@eadir",  # thumbnails that Synology's File Station makes
    "@recycle",
    "#recycle",
    "$recycle.bin",
    "system volume information",
}

# Common suffixes of image files. Images may also have other suffixes, or none.
IMAGE_SUFFIXES = tuple(
    f".{suffix}"
    for suffix in (
        *("avif", "bmp", "gif", "heic", "heif", "ico", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg"),
        *("pbm", "pgm", "png", "ppm", "tif", "tiff", "webp"),
    )
)


def is_visible(name: str) -> bool:
    """Whether a source reads files and folders with the name `name`.

    For example, thumbnails that a file manager makes are not read, because the thumbnail of a test
    image might get into the train split.
    """
    return not name.startswith(".") and name.lower() not in _LEFT_BEHIND
