"""Makes Beam construct pipelines in less time, with the same result.

For each transform, Beam's Python SDK builds a parser for each of a dozen reads of an option, and
inspects the signature of each method of each function several times. TFX's nodes build some
thousand transforms, so this repeated work took a quarter of the time of their pipelines on a small
dataset.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import userstate


@contextmanager
def quick_construction() -> Iterator[None]:
    """A context in which Beam keeps two kinds of results that it would otherwise compute again.

    The first kind is the view of a pipeline's options by a class of options
    (`PipelineOptions.view_as` in apache_beam/options/pipeline_options.py). Views share the values
    with the options themselves, so an option that is set later has its new value in every view. The
    second kind is the states and timers of a DoFn (`get_dofn_specs` in
    apache_beam/transforms/userstate.py), which follow from the signatures of its methods.
    """
    view_as, get_dofn_specs = PipelineOptions.view_as, userstate.get_dofn_specs
    PipelineOptions.view_as = _remember_views(view_as)
    userstate.get_dofn_specs = _remember_by_object(get_dofn_specs)
    try:
        yield
    finally:
        PipelineOptions.view_as, userstate.get_dofn_specs = view_as, get_dofn_specs


def _remember_views(view_as: Callable[..., Any]) -> Callable[..., Any]:
    views: dict[tuple[int, int, type], Any] = {}

    def remembered(options: PipelineOptions, kind: type) -> Any:
        # A view depends only on these two objects and the class. The view refers to the objects, so
        # their ids stay unique.
        key = id(options._all_options), id(options._flags), kind
        if key not in views:
            views[key] = view_as(options, kind)
        return views[key]

    return remembered


def _remember_by_object(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    results: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def remembered(subject: Any) -> Any:
        reference, result = results.get(id(subject), (None, None))
        if reference is None or reference() is not subject:
            result = function(subject)
            results[id(subject)] = weakref.ref(subject), result
        return result

    return remembered
