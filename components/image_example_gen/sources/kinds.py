"""Maps the name of each kind of source to the import path of its class."""

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "digits": "components.image_example_gen.sources.digits.DigitsSource",
    "folder": "components.image_example_gen.sources.folder.FolderSource",
    "manifest": "components.image_example_gen.sources.manifest.ManifestSource",
    "remote_folder": "components.image_example_gen.sources.remote_folder.RemoteFolderSource",
    "tfds": "components.image_example_gen.sources.tfds.TfdsSource",
    "tfrecord": "components.image_example_gen.sources.tfrecord.TfrecordSource",
}
