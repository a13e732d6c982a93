"""Removes duplicate images from a source."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from components.image_example_gen.sources.base import ImageReference, Source, SourceImage
from components.image_example_gen.sources.duplicates import choose_dropped


class WithoutDuplicates(Source):
    """The images of a source, except the images that `choose_dropped` returns."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.downloads = source.downloads

    def check(self) -> None:
        self._source.check()

    def prepare(self, cache: Path | None = None) -> None:
        self._source.prepare(cache)

    def classes(self) -> tuple[str, ...]:
        return self._source.classes()

    def left_out(self) -> tuple[str, ...]:
        return self._source.left_out()

    def dropped(self) -> int:
        return len(self._source.images()) - len(self.images())

    def _list_images(self, cache: Path | None) -> Sequence[ImageReference]:
        images = self._source.images(cache)
        dropped = choose_dropped(images)
        return [image for image in images if image.file_name not in dropped]

    def read(self, images: Iterable[ImageReference]) -> Iterator[SourceImage]:
        return self._source.read(images)
