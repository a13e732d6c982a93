"""Sends images to an exported model in a process that serves it, and checks the responses."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from common.errors import InputError
from common.signatures import FROM_BYTES, FROM_EXAMPLES, FROM_PIXELS, INPUT
from components.serving_check.answers import (
    Outputs,
    answer_for,
    find_difference,
    find_faults,
)
from components.serving_check.findings import Findings
from components.serving_check.probes import make_probes
from components.serving_check.settings import ServingCheckSettings
from trainer.serving.serving_process import STOPPED, ServingProcess

BATCHES = (1, 8, 32)
_REQUESTS = 100  # number of timed requests with one image, for the 99th percentile
_SECONDS = 20.0  # time limit in seconds for requests that only measure the latency
_LONGEST = 60.0  # time limit in seconds for sending single images; a slow model gets fewer
_FEWEST = 8


@dataclasses.dataclass(frozen=True)
class TestImage:
    """An image of the test split, with the prediction that Evaluator recorded for the image.

    Attributes:
      name: the file name of the image.
      content: the encoded image.
      example: the serialized tf.Example that contains the image.
      predicted: the class that the model predicted in Evaluator; empty if the image is not valid.
      probability: the probability of the predicted class.
      valid: whether the model could decode the image.
    """

    __test__ = False  # pytest must not collect this class as a test

    name: str
    content: bytes
    example: bytes
    predicted: str
    probability: float
    valid: bool


class ServingCheck:
    """Sends images to one exported model, and collects reasons to refuse the model.

    Attributes:
      findings: what was found so far, such as times, and reasons to refuse the model.
    """

    def __init__(
        self,
        process: ServingProcess,
        model: str,
        classes: Sequence[str],
        settings: ServingCheckSettings,
    ) -> None:
        """
        Args:
          process: the process that serves the model.
          model: the directory of the SavedModel.
          classes: the class names, in the order of the model's outputs.
          settings: the settings of the check.
        """
        self._process = process
        self._model = model
        self._classes = list(classes)
        self._settings = settings
        self._milliseconds: dict[int, list[float]] = {size: [] for size in BATCHES}
        limits = dataclasses.asdict(settings)
        limits.pop("code_fingerprint")
        self.findings = Findings(limits=limits)

    def run(self, images: Sequence[TestImage]) -> None:
        """Sends all requests; ends after the first request that fails.

        Args:
          images: images of the test split, at least one.
        """
        try:
            height, width = self._load()
            alone = self._send_alone(images)
            images = [image for image in images if image.name in alone]
            self._send_batches(images, alone)
            self._send_probes(images, alone)
            self._send_other_signatures(images, alone, height, width)
            self._repeat(images)
        except _RequestError as error:
            self.findings.reasons.append(str(error))
        self._summarise()

    def _load(self) -> tuple[int, int]:
        """Loads the model in the process; returns the height and width of its input images."""
        start = time.perf_counter()
        try:
            shapes = self._process.input_shapes(self._model)
        except InputError as error:
            raise _RequestError(f"the model cannot be loaded: {self._shorten(error)}") from error
        self.findings.load_seconds = time.perf_counter() - start
        missing = {FROM_BYTES, FROM_EXAMPLES, FROM_PIXELS} - set(shapes)
        if missing:
            raise _RequestError(f"the model has no signature {', '.join(sorted(missing))}")
        ((_, height, width, _),) = shapes[FROM_PIXELS].values()
        return int(height or 0), int(width or 0)

    def _send_alone(self, images: Sequence[TestImage]) -> dict[str, Outputs]:
        """Sends images one by one; compares the answers with Evaluator's predictions, and returns
        the answers.
        """
        answers: dict[str, Outputs] = {}
        enough = len(images)
        for image in images[:]:
            if len(answers) >= enough:
                break
            answers[image.name] = answer = answer_for(self._send({image.name: image.content}), 0)
            self._compare_with_evaluator(image, answer)
            # The number of images is computed from the time of the second request, because the
            # first request takes longer than later requests.
            if len(answers) == 2:
                seconds = max(self._milliseconds[1][-1] / 1000, 1e-3)
                enough = max(_FEWEST, int(_LONGEST / seconds))
        return answers

    def _compare_with_evaluator(self, image: TestImage, answer: Outputs) -> None:
        if bool(answer["valid"]) != image.valid:
            self._note(
                f"{image.name}: valid is {bool(answer['valid'])}, but {image.valid} in Evaluator's "
                "table"
            )
        elif image.valid:
            found = float(answer["probabilities"][self._classes.index(image.predicted)])
            if abs(found - image.probability) > self._settings.tolerance:
                self._note(
                    f"{image.name}: {image.predicted} has the probability {found:.4f}, but "
                    f"{image.probability:.4f} in Evaluator's table"
                )

    def _send_batches(self, images: Sequence[TestImage], alone: Mapping[str, Outputs]) -> None:
        """Sends images in batches; compares the answers with the answers to single images."""
        for size in BATCHES[1:]:
            for start in range(0, len(images), size):
                places = [place % len(images) for place in range(start, start + size)]
                batch = [(images[place].name, images[place].content) for place in places]
                self._compare(batch, self._send(batch), alone)

    def _send_probes(self, images: Sequence[TestImage], alone: Mapping[str, Outputs]) -> None:
        """Sends unusual image files and files that are not images, first alone, then in batches
        with test images.
        """
        probes = list(make_probes())
        answers = dict(alone)
        for probe in probes:
            outputs = self._send([(probe.name, probe.content)], is_timed=False)
            answers[probe.name] = answer_for(outputs, 0)
            valid = bool(outputs["valid"][0])
            if probe.is_image is not None and valid != probe.is_image:
                self._note(f"{probe.name}: valid is {valid}; expected {probe.is_image}")
        mixed = [(probe.name, probe.content) for probe in probes]
        mixed += [(image.name, image.content) for image in images[:_FEWEST]]
        # The order is random, so that each batch contains images as well as files that are not
        # images.
        order = np.random.default_rng(0).permutation(len(mixed))
        for start in range(0, len(mixed), BATCHES[-1]):
            batch = [mixed[place] for place in order[start : start + BATCHES[-1]]]
            self._compare(batch, self._send(batch, is_timed=False), answers)

    def _send_other_signatures(
        self, images: Sequence[TestImage], alone: Mapping[str, Outputs], height: int, width: int
    ) -> None:
        few = images[:_FEWEST]
        batch = [(image.name, image.example) for image in few]
        self._compare(batch, self._send(batch, FROM_EXAMPLES, is_timed=False), alone)
        pixels = np.random.default_rng(0).uniform(-1, 1, [_FEWEST, height, width, 3])
        noise = [(f"noise {index}", image) for index, image in enumerate(pixels)]
        outputs = self._send(noise, FROM_PIXELS, is_timed=False)
        if not outputs["valid"].all():
            self._note(f"{FROM_PIXELS}: valid is False for random pixels")

    def _repeat(self, images: Sequence[TestImage]) -> None:
        """Sends single images again, until enough requests are timed for the 99th percentile."""
        end = time.monotonic() + _SECONDS
        while len(self._milliseconds[1]) <= _REQUESTS and time.monotonic() < end:
            image = images[len(self._milliseconds[1]) % len(images)]
            self._send({image.name: image.content}, is_kept=False)

    def _send(
        self,
        items: Mapping[str, Any] | Sequence[tuple[str, Any]],
        signature: str = FROM_BYTES,
        *,
        is_timed: bool = True,
        is_kept: bool = True,
    ) -> Outputs:
        """Sends one request, checks the outputs for faults, and returns the outputs.

        Args:
          items: the name and the input of each image.
          signature: the name of the signature.
          is_timed: whether to include the time of the request in the latency statistics.
          is_kept: whether to store the answers in the findings.
        """
        names, values = zip(*(items.items() if isinstance(items, Mapping) else items), strict=True)
        is_text = signature != FROM_PIXELS
        given = list(values) if is_text else np.stack(values).astype(np.float32)
        start = time.perf_counter()
        try:
            answers = self._process.ask(self._model, {signature: {INPUT[signature]: given}})
        except InputError as error:
            raise _RequestError(f"{_describe(names)}: {self._shorten(error)}") from error
        milliseconds = 1000 * (time.perf_counter() - start)
        outputs = answers[signature]
        faults = list(find_faults(outputs, len(names), self._classes))
        if is_timed and len(names) in self._milliseconds:
            self._milliseconds[len(names)].append(milliseconds)
        request = {"signature": signature, "images": names, "milliseconds": round(milliseconds, 3)}
        self.findings.requests.append(request | {"faults": faults})
        if faults:
            raise _RequestError(f"{_describe(names)}: {'; '.join(faults[:3])}")
        if is_kept:
            self.findings.requests[-1]["answers"] = list(_convert_to_json_types(outputs))
        return outputs

    def _compare(
        self, batch: Sequence[tuple[str, Any]], outputs: Outputs, alone: Mapping[str, Outputs]
    ) -> None:
        for index, (name, _) in enumerate(batch):
            difference = find_difference(
                name, answer_for(outputs, index), alone[name], self._settings.tolerance
            )
            if difference:
                self._note(f"in a batch of {len(batch)} images: {difference}")

    def _note(self, reason: str) -> None:
        self.findings.reasons.append(reason)

    def _shorten(self, error: InputError) -> str:
        """Returns the error's message without the directory of the model.

        If the process was stopped because it exceeded its time or memory limit, the message also
        names the options that set these limits.
        """
        message = str(error).removeprefix(f"{self._model}: ")
        if STOPPED not in message:
            return message
        return (
            f"{message}; serving_check.timeout_seconds and serving_check.max_memory_gb are the "
            "limits"
        )

    def _summarise(self) -> None:
        findings, settings = self.findings, self._settings
        for size, times in self._milliseconds.items():
            if times[1:]:
                findings.latency_ms[str(size)] = {
                    "requests": len(times) - 1,
                    "p50": round(float(np.percentile(times[1:], 50)), 3),
                    "p99": round(float(np.percentile(times[1:], 99)), 3),
                }
        findings.peak_memory_gb = self._process.peak_memory() / 1e9
        p99 = findings.latency_ms.get("1", {}).get("p99", 0)
        if settings.max_p99_ms is not None and p99 > settings.max_p99_ms:
            self._note(
                f"the 99th percentile of the time for one image is {p99:.1f} ms, more than the "
                f"limit of {settings.max_p99_ms:g} ms (serving_check.max_p99_ms)"
            )
        if settings.max_memory_gb is not None and findings.peak_memory_gb > settings.max_memory_gb:
            self._note(
                f"the process used {findings.peak_memory_gb:.2f} GB of memory, more than the limit "
                f"of {settings.max_memory_gb:g} GB (serving_check.max_memory_gb)"
            )


class _RequestError(Exception):
    """The error for a failed request; the message names the request's images and the reason."""


def _describe(names: Sequence[str]) -> str:
    first = ", ".join(names[:3])
    return first if len(names) <= 3 else f"batch of {len(names)} images ({first}, …)"


def _convert_to_json_types(outputs: Outputs) -> Iterator[dict[str, Any]]:
    """Yields the model's answer for each image, converted to types that JSON supports."""
    for label, probability, valid, accepted in zip(
        *(outputs[name] for name in ("label", "probability", "valid", "accepted")), strict=True
    ):
        yield {
            "label": label.decode(errors="replace"),
            "probability": round(float(probability), 6),
            "valid": bool(valid),
            "accepted": bool(accepted),
        }
