"""The list of images of a run, written once when the run begins, and read by ImageExampleGen.

The list lies in the state directory of the pipeline, where every runner finds it. So a run walks
through a folder, or lists a bucket, only once, and makes examples of exactly the files that its
fingerprint covers.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from tfx.dsl.io import fileio

from common.files import read_bytes, write_whole
from common.notice import notice
from components.image_example_gen.sources.base import ImageReference


class Listing(NamedTuple):
    """A list of images.

    Attributes:
      classes: the class names.
      images: all images of the source.
    """

    classes: tuple[str, ...]
    images: Sequence[ImageReference]


def listing_path(state_dir: str, fingerprint: str) -> str:
    """Returns the path of the listing of a source with this fingerprint."""
    return f"{state_dir}/listing/{fingerprint}.jsonl"


def has_listing(path: str) -> bool:
    """Whether there is a listing at `path`."""
    return fileio.exists(path)


def write_listing(path: str, listing: Listing) -> None:
    """Writes a listing; removes the listings of earlier data from its directory."""
    directory, _, name = path.rpartition("/")
    fileio.makedirs(directory)
    rows = (listing.classes, *listing.images)
    write_whole(path, "".join(f"{json.dumps(row)}\n" for row in rows))
    for other in fileio.listdir(directory):
        if other != name:
            fileio.remove(f"{directory}/{other}")


def read_listing(path: str) -> Listing | None:
    """Reads a listing; returns None if there is no file, or, with a notice, if it is damaged."""
    content = read_bytes(path)
    if content is None:
        return None
    try:
        classes, *images = map(json.loads, content.splitlines())
        return Listing(tuple(classes), [ImageReference(*row) for row in images])
    except (ValueError, TypeError) as error:
        notice(f"{path} is damaged ({error}): the images are listed again")
        return None
