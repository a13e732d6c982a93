"""Reads the thumbnails in the HTML page of a report, so that `--compare` can show them."""

from html.parser import HTMLParser

_PREFIX = "data:image/jpeg;base64,"


def read_page_images(page: str) -> dict[str, str]:
    """Returns the thumbnails in an HTML page, as base64-encoded JPEG files, in a dictionary by file
    name.
    """
    reader = _Reader()
    reader.feed(page)
    return reader.images


class _Reader(HTMLParser):
    """Finds each thumbnail, and the file name of its image.

    A thumbnail is an element `<img src="data:…">`. The file name of the image is in the element
    `<span class="file" title="…">` that follows the thumbnail.
    """

    def __init__(self) -> None:
        super().__init__()
        self.images: dict[str, str] = {}
        self._source = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        source, title = given.get("src") or "", given.get("title")
        if tag == "img" and source.startswith(_PREFIX):
            self._source = source.removeprefix(_PREFIX)
        elif tag == "span" and given.get("class") == "file" and title and self._source:
            self.images[title] = self._source
            self._source = ""
