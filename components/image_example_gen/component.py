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
        "split_by": ExecutionParameter(type=str),
        # The fingerprints of the data and the code make TFX run the node again if the data or the
        # code change (see common/fingerprint.py).
        "source_fingerprint": ExecutionParameter(type=str),
        "code_fingerprint": ExecutionParameter(type=str),
        "unread_notes": ExecutionParameter(type=str),
        "listing": ExecutionParameter(type=str),
    }
    INPUTS: dict[str, ChannelParameter] = {}  # noqa: RUF012
    OUTPUTS = {EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples)}  # noqa: RUF012


class ImageExampleGen(base_beam_component.BaseBeamComponent):
    """Turns labelled images into tf.Examples with the features `image`, `label` and `file_name`.

    An upright RGB JPEG within the size limits is copied unchanged; an image of any other kind is
    converted to an upright RGB JPEG within the size limits. ImageExampleGen decodes every image, so
    that damaged files are found before the training. An image is quarantined if it cannot be
    decoded, or if its label is not one of the classes. Every image is either written to a split or
    quarantined. The file `quarantine.jsonl` lists each quarantined image with a reason from
    `components.image_example_gen.quarantine.Reason`. The file `counts.json` contains the number of
    images read, the number quarantined, and the number in each split. `quarantine.jsonl` and
    `counts.json` are in the Examples artifact.

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
        split_by: str,
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
          max_side: the longest allowed side of an image, in pixels; larger images are scaled down.
          max_pixels: the largest allowed number of pixels; images with more pixels are quarantined.
          max_value: the pixel value of white in images with more than 8 bits per channel; 0 for the
            value that the image file states, or, if the file of an image with 16 bits per channel
            states no value, for 65535.
          split_by: `CONTENT` or `NEAR_DUPLICATES`, see `components.image_example_gen.split`.
          source_fingerprint: the fingerprint of the images and labels.
          code_fingerprint: the fingerprint of the executor's code.
          unread_notes: a directory in which the node writes a file with the names of the images
            that it could not read.
          listing: path of the list of images, which was written at the start of the run. If the
            list does not exist, the node lists the images of the source again.
        """
        spec = ImageExampleGenSpec(
            source=source,
            classes=classes,
            max_side=max_side,
            max_pixels=max_pixels,
            max_value=max_value,
            split_by=split_by,
            source_fingerprint=source_fingerprint,
            code_fingerprint=code_fingerprint,
            unread_notes=unread_notes,
            listing=listing,
            examples=types.Channel(type=standard_artifacts.Examples),
        )
        super().__init__(spec=spec)
