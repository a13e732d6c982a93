"""Runs the whole pipeline, or only the nodes that infer a schema, on this machine."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from backbones.reference import parse_model
from common.files import write_whole
from common.heavy_imports import heavy_imports
from common.interval import images_needed
from components.image_example_gen.sources.base import TEST
from components.image_example_gen.sources.similar_names import similar_names
from pipeline.batch import fit_batch
from pipeline.command_line.exit_status import DONE, PUSHED, REFUSED
from pipeline.command_line.logged_job import run_with_log
from pipeline.metadata_store import check_metadata
from pipeline.options.config import Config
from pipeline.report.console import Console
from pipeline.reviewed_schema import limit_labels
from pipeline.root import state_directory

if TYPE_CHECKING:
    from pipeline.inputs import Inputs


def run(config: Config, log: Path, record_owner: Callable[[], None]) -> int:
    """Runs the pipeline that `config` describes, and writes a log to the file `log`.

    Args:
      config: the configuration.
      log: the path of the new log file.
      record_owner: the function from `pipeline.root.claim_root` that records this pipeline as the
        owner of the pipeline root.
    """

    def job(console: Console) -> int:
        print_plan(config, log, console)
        inputs = find_inputs(config, console)
        warn_of_few_test_images(inputs.found.splits[TEST], config, console)
        fitted = fit_batch(config, inputs.found.train_images)
        console.warn_of_smaller_batch(config, fitted)
        record_owner()
        with heavy_imports():
            from pipeline.runners import local

        report = local.run(fitted, inputs, console)
        if config.run.track == "mlflow":
            from pipeline.report.tracking import track_run

            track_run(fitted, report, console)
        console.summary(report)
        return PUSHED if report.pushed_to else REFUSED

    return run_with_log(log, job, verbose=config.run.verbose)


def write_schema(path: str, config: Config, log: Path, record_owner: Callable[[], None]) -> int:
    """Runs the pipeline up to SchemaGen, and writes the inferred schema to a file.

    Args:
      path: path of the file for the schema. This function overwrites an existing file.
      config: the configuration.
      log: the path of the new log file.
      record_owner: the function from `pipeline.root.claim_root` that records this pipeline as the
        owner of the pipeline root.
    """

    def job(console: Console) -> int:
        print_plan(config, log, console)
        inputs = find_inputs(config, console)
        record_owner()
        with heavy_imports():
            from pipeline.runners import local

        schema = limit_labels(local.infer_schema(config, inputs, console), inputs.classes)
        write_whole(path, schema)
        console.line(f"schema: {path}: review it, and give it with --schema", style="bold green")
        return DONE

    return run_with_log(log, job, verbose=config.run.verbose)


def find_inputs(config: Config, console: Console, *, with_backbone: bool = True) -> "Inputs":
    """Loads TFX, finds the data and the model, and prints a description of the images.

    Args:
      config: the configuration.
      console: the console.
      with_backbone: whether the run needs the backbone.
    """
    check_metadata(state_directory(config))
    console.show_activity("loading TensorFlow and TFX")
    with heavy_imports():
        from pipeline.inputs import resolve_inputs

    console.show_activity("looking at data and model" if with_backbone else "looking at data")
    with console.downloads():
        inputs = resolve_inputs(config, with_backbone=with_backbone)
    console.print_found_images(inputs.found)
    inputs.found.check()
    warn_of_similar_names(inputs.classes, console)
    return inputs


def print_plan(config: Config, log: Path, console: Console) -> None:
    """Prints the plan of the run, and warnings about the model."""
    console.plan(config, str(log))
    reference = parse_model(config.model)
    if reference.is_untrained(config.weights):
        console.warn("The model is UNTRAINED: its weights are random.")
    if config.train.precision != "float32" and reference.keeps_its_graph:
        console.warn("--precision has no effect: the graph of this SavedModel computes in float32.")


def warn_of_few_test_images(images: int, config: Config, console: Console) -> None:
    """Warns if a model that classifies all test images correctly would miss `--min-accuracy`.

    Args:
      images: the number of images in the test split; may be an estimate.
      config: the configuration.
      console: the console.
    """
    gate = config.gate
    needed = images_needed(gate.min_accuracy, gate.confidence)
    if needed is None or images < needed:
        if needed is None:
            problem = "cannot be shown with any number of test images. Lower"
        else:
            problem = f"needs at least {needed} test images. Add images, or lower"
        console.warn(
            f"The gate will refuse every model: an accuracy of {gate.min_accuracy:g} with a "
            f"confidence of {gate.confidence:g} {problem} --min-accuracy or gate.confidence."
        )


def warn_of_similar_names(classes: Iterable[str], console: Console) -> None:
    """Warns if two class names are so similar that they may be names of one class."""
    for names in similar_names(classes):
        console.warn(
            f"The classes {' and '.join(map(ascii, names))} differ only in upper and lower case or "
            "in Unicode normalisation: if they mean the same class, give it one name."
        )
