"""Classifies many images with Beam's RunInference; an interrupted job can be resumed.

The list of files is divided into shards. The predictions of each finished shard are written to a
file in the folder `OUTPUT.parts`. All Beam workers need write access to this folder. If the job is
killed, the next run classifies only the remaining shards. At the end, the files of the shards are
merged into the output file. The Beam pipeline does not shuffle data, so its use of memory does not
grow with the number of images.
"""

import dataclasses
import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.windowed_value import WindowedValue

from common.errors import InputError
from trainer.prediction.answers import Answer, ImageFile, answer_batch, read_image, to_row
from trainer.prediction.tables import open_table
from trainer.serving.classifier import Classifier

SHARD = 256  # number of images in a shard
_LIST, _JOB = "files.json", "job.json"
# Without --allow_unsafe_triggers, the DirectRunner would first try to download Beam's Prism engine.
# With --allow_unsafe_triggers, the DirectRunner uses Beam's Python engine immediately.
# --allow_unsafe_triggers has no other effect, because the pipeline has no triggers. A flag --runner
# among the user's flags overrides --runner=DirectRunner.
_DIRECT = ("--runner=DirectRunner", "--allow_unsafe_triggers")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BulkJob:
    """The settings of a bulk classification.

    Attributes:
      model: directory of the SavedModel.
      names: names of the model's classes; None if the classes have no names.
      files: paths or URIs of the images.
      output: path of the output table, see `trainer.prediction.tables`.
      top: number of classes in the output for each image.
      batch_size: number of images that the model classifies at once.
    """

    model: str
    names: Sequence[str] | None
    files: Sequence[str]
    output: str
    top: int
    batch_size: int

    @property
    def parts(self) -> str:
        """The folder with the files of the finished shards."""
        return f"{self.output}.parts"

    @property
    def shards(self) -> range:
        """The shards, numbered from 0."""
        return range(-(-len(self.files) // SHARD))

    def fingerprint(self) -> str:
        """Returns a digest of all settings that determine the content of the shards."""
        content = [self.model, self.names, list(self.files), self.top, SHARD]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def shard_file(self, shard: int) -> str:
        """Returns the path of the file with the predictions of a shard."""
        return f"{self.parts}/{shard:06d}.jsonl"


def run_bulk(
    job: BulkJob, beam_arguments: Sequence[str], report: Callable[[int, int], None]
) -> list[tuple[str, str]]:
    """Classifies the images of a job; skips the shards that an earlier run finished.

    Args:
      job: the settings of the job.
      beam_arguments: flags for Beam. Without flags, Beam runs in this process.
      report: a function that is called every few seconds with the number of classified images and
        the number of all images.

    Returns:
      The name of each image that cannot be classified, and the reason. `OUTPUT.quarantine.jsonl`
      lists the same images and reasons.

    Raises:
      InputError: the output folder is not writable.
    """
    try:
        remaining = _prepare(job)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"--output {job.output}: cannot be written ({error})") from error
    if remaining:
        with _report_progress(job, report), _without_memory_warnings():
            _run(job, remaining, beam_arguments)
    report(len(job.files), len(job.files))
    return _merge_shards(job)


def _prepare(job: BulkJob) -> list[int]:
    """Creates the folder for the shards; returns the shards that are not classified yet."""
    fingerprint_file = f"{job.parts}/{_JOB}"
    if tf.io.gfile.exists(fingerprint_file):
        with tf.io.gfile.GFile(fingerprint_file) as file:
            is_same_job = file.read() == job.fingerprint()
        if not is_same_job:  # the finished shards are from a job with other settings
            tf.io.gfile.rmtree(job.parts)
    tf.io.gfile.makedirs(job.parts)
    _write(f"{job.parts}/{_LIST}", json.dumps(list(job.files)))
    _write(fingerprint_file, job.fingerprint())
    return [shard for shard in job.shards if not tf.io.gfile.exists(job.shard_file(shard))]


def _write(path: str, text: str) -> None:
    """Writes a text file.

    The text is first written to a temporary file, which is then renamed to `path`, so that an
    interrupted write leaves no incomplete file at `path`.
    """
    partial = f"{path}.partial"
    with tf.io.gfile.GFile(partial, "w") as file:
        file.write(text)
    tf.io.gfile.rename(partial, path, overwrite=True)


def _run(job: BulkJob, shards: Sequence[int], beam_arguments: Sequence[str]) -> None:
    options = PipelineOptions([*_DIRECT, *beam_arguments])
    # Beam stores the job in the graph of the Beam pipeline. The list of files may be long, so Beam
    # gets a copy of the job with an empty list.
    small = dataclasses.replace(job, files=())
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(list(shards))
            | "Read" >> beam.FlatMap(_read_shard, f"{job.parts}/{_LIST}")
            | "Classify" >> RunInference(_Handler(job.model, job.batch_size, job.top))
            | "Write" >> beam.ParDo(_WriteShards(small, len(job.files)))
        )


def _read_shard(shard: int, file_list: str) -> Iterator[ImageFile]:
    with tf.io.gfile.GFile(file_list) as file:
        names = json.load(file)
    for position in _positions(shard, len(names)):
        yield read_image(position, names[position])


def _positions(shard: int, count: int) -> range:
    return range(shard * SHARD, min((shard + 1) * SHARD, count))


class _Handler(ModelHandler[ImageFile, Answer, Classifier]):
    """Tells RunInference how to load and to call the classifier."""

    def __init__(self, model: str, batch_size: int, top: int) -> None:
        super().__init__()
        self._model, self._batch_size, self._top = model, batch_size, top

    def load_model(self) -> Classifier:
        return Classifier(self._model)

    def run_inference(
        self,
        batch: Sequence[ImageFile],
        model: Classifier,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[Answer]:
        return list(answer_batch(model, batch, self._top))

    def batch_elements_kwargs(self) -> dict[str, int]:
        return {"min_batch_size": self._batch_size, "max_batch_size": self._batch_size}

    def get_num_bytes(self, batch: Sequence[ImageFile]) -> int:
        return sum(len(image.content) for image in batch)


class _WriteShards(beam.DoFn):
    """Writes the file of a shard as soon as all predictions of the shard have arrived.

    Beam fuses the pipeline's steps from reading to writing, so all predictions of a shard arrive in
    the same bundle.
    """

    def __init__(self, job: BulkJob, count: int) -> None:
        self._job, self._count = job, count

    def start_bundle(self) -> None:
        self._answers: dict[int, list[Answer]] = {}

    def process(self, answer: Answer) -> None:
        shard = answer.position // SHARD
        answers = self._answers.setdefault(shard, [])
        answers.append(answer)
        if len(answers) == len(_positions(shard, self._count)):
            answers.sort(key=lambda answer: answer.position)
            rows = (to_row(answer, self._job.top, self._job.names) for answer in answers)
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            _write(self._job.shard_file(shard), "".join(lines))
            del self._answers[shard]

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._answers:
            raise RuntimeError(
                f"the images of the shards {sorted(self._answers)} came in several Beam bundles; "
                "expected a Beam engine that fuses the steps of this pipeline"
            )
        return iter(())


def _merge_shards(job: BulkJob) -> list[tuple[str, str]]:
    bad: list[tuple[str, str]] = []
    # The temporary file has the suffix of the output file, because `open_table` chooses the format
    # by the suffix.
    stem, dot, ending = job.output.rpartition(".")
    partial = f"{stem}.partial{dot}{ending}"
    with open_table(partial) as write:
        for shard in job.shards:
            with tf.io.gfile.GFile(job.shard_file(shard)) as file:
                rows = [json.loads(line) for line in file]
            bad += [(row["image"], row["error"]) for row in rows if row["error"]]
            write(rows)
    if bad:
        entries = ({"image": name, "reason": reason} for name, reason in bad)
        lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        _write(f"{job.output}.quarantine.jsonl", "".join(lines))
    tf.io.gfile.rename(partial, job.output, overwrite=True)
    tf.io.gfile.rmtree(job.parts)
    return bad


@contextmanager
def _without_memory_warnings() -> Iterator[None]:
    """A context that hides RunInference's warning that it cannot measure memory.

    RunInference logs this warning if the module of its model manager cannot be imported.
    """

    def is_other(record: logging.LogRecord) -> bool:
        return "Resource module is not available" not in record.getMessage()

    logging.getLogger().addFilter(is_other)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(is_other)


@contextmanager
def _report_progress(job: BulkJob, report: Callable[[int, int], None]) -> Iterator[None]:
    """A context in which a thread regularly reports the number of classified images."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(2):
            names = tf.io.gfile.listdir(job.parts)
            done = sum(name.endswith(".jsonl") for name in names)
            report(min(done * SHARD, len(job.files)), len(job.files))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
