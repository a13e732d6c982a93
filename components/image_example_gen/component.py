"""ImageExampleGen, which turns labelled images of any source into tf.Examples."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.image_example_gen.executor import EXAMPLES_KEY, Executor
from components.property_value import PropertyValue


class ImageExampleGenSpec(types.ComponentSpec):
    """The execution properties and the output of `ImageExampleGen`."""

    PARAMETERS = {  # noqa: RUF012 (TFX's way)
        "source": ExecutionParameter(type=str),  # JSON
        "classes": ExecutionParameter(type=str),  # JSON
        "max_side": ExecutionParameter(type=int),
        "max_pixels": ExecutionParameter(type=int),
        "max_value": ExecutionParameter(type=int),
        # Only for the cache key: fingerprints of data and code (see common/fingerprint.py), and
        # paths.
        "source_fingerprint": ExecutionParameter(type=str),
        "code_fingerprint": ExecutionParameter(type=str),
        "unread_notes": ExecutionParameter(type=str),
        "listing": ExecutionParameter(type=str),
    }
    INPUTS: dict[str, ChannelParameter] = {}  # noqa: RUF012
    OUTPUTS = {EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples)}  # noqa: RUF012


class ImageExampleGen(base_beam_component.BaseBeamComponent):
    """Turns labelled images into tf.Examples with the features `image`, `label` and `file_name`.

    Every image is decoded once. An upright RGB JPEG of limited size is kept byte for byte; any
    other image is re-encoded as such a JPEG. An image that cannot be decoded, or whose label is not
    one of the classes, is listed in `quarantine.jsonl` with a reason from
    `components.image_example_gen.quarantine.Reason`. `counts.json` has the numbers of images that
    were read, written to each split, and quarantined. Every image that was read is either written
    to a split or quarantined. Both files are in the Examples artifact.

    The splits are `train`, `validation` and `test`; see `components.image_example_gen.split`.
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        *,
        source: PropertyValue,
        classes: PropertyValue,
        max_side: int,
        max_pixels: int,
        max_value: int,
        source_fingerprint: PropertyValue,
        code_fingerprint: PropertyValue,
        unread_notes: PropertyValue,
        listing: PropertyValue,
    ) -> None:
        """
        Args:
          source: the argument of `components.image_example_gen.sources.registry.make_source`, as
            JSON.
          classes: the class names for which the pipeline was built, as JSON.
          max_side: the longest side of an image in pixels; larger images are scaled down.
          max_pixels: an image with more pixels is quarantined.
          max_value: the value of white in images of more than 8 bits per channel; with 0, it is the
            value that the file states, or 65535 for 16 bits.
          source_fingerprint: the fingerprint of the source's data.
          code_fingerprint: the fingerprint of the executor's code.
          unread_notes: directory for notes of images that could not be read.
          listing: path of the list of images that was written when the run began; if there is no
            such file, the node lists the images itself.
        """
        spec = ImageExampleGenSpec(
            source=source,
            classes=classes,
            max_side=max_side,
            max_pixels=max_pixels,
            max_value=max_value,
            source_fingerprint=source_fingerprint,
            code_fingerprint=code_fingerprint,
            unread_notes=unread_notes,
            listing=listing,
            examples=types.Channel(type=standard_artifacts.Examples),
        )
        super().__init__(spec=spec)
