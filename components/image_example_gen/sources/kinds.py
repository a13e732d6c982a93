"""The kinds of sources, as data: by the name that a dataset's entry gives, each one's class."""

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "digits": "components.image_example_gen.sources.digits.DigitsSource",
    "folder": "components.image_example_gen.sources.folder.FolderSource",
    "remote_folder": "components.image_example_gen.sources.remote_folder.RemoteFolderSource",
    "tfds": "components.image_example_gen.sources.tfds.TfdsSource",
}
