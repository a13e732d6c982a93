"""Tests that Beam does less work in the context `quick_pipelines` than outside it, and returns the
same results."""

import concurrent.futures.thread

import apache_beam as beam
import pytest
from apache_beam.coders import VarIntCoder
from apache_beam.internal.cloudpickle import cloudpickle
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, TypeOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import userstate

from pipeline.beam.engine import beam_arguments
from pipeline.beam.quick_pipelines import quick_pipelines


class _Counts(beam.DoFn):
    SUM = userstate.ReadModifyWriteStateSpec("sum", VarIntCoder())

    def process(self, element, total=beam.DoFn.StateParam(SUM)):  # noqa: B008 (Beam's way)
        yield element


class _Reads(beam.DoFn):
    reads = 0

    # Beam's function `get_dofn_specs` calls dir(), so `reads` counts the calls of `get_dofn_specs`.
    def __dir__(self):
        type(self).reads += 1
        return super().__dir__()

    def process(self, element):
        yield element


def test_views_are_kept_and_see_later_values():
    options, others = PipelineOptions(["--streaming"]), PipelineOptions([])
    with quick_pipelines():
        view = options.view_as(StandardOptions)
        assert options.view_as(StandardOptions) is view
        assert view.streaming
        assert not others.view_as(StandardOptions).streaming
        options.view_as(TypeOptions).runtime_type_check = True
        # `view.view_as` also returns a view of the values in `options`.
        assert view.view_as(TypeOptions).runtime_type_check
        assert not others.view_as(TypeOptions).runtime_type_check
    assert options.view_as(StandardOptions) is not view


def test_functions_are_inspected_once():
    counts = _Counts()
    expected = userstate.get_dofn_specs(counts)
    with quick_pipelines():
        assert userstate.get_dofn_specs(counts) == expected
        assert userstate.is_stateful_dofn(counts)
        assert not userstate.is_stateful_dofn(_Reads())
        reads, before = _Reads(), _Reads.reads
        beam.ParDo(reads)
        assert not userstate.is_stateful_dofn(reads)
        assert _Reads.reads == before + 1


def test_an_exception_ends_the_context():
    view_as, get_dofn_specs = PipelineOptions.view_as, userstate.get_dofn_specs
    with pytest.raises(RuntimeError), quick_pipelines():
        raise RuntimeError
    assert PipelineOptions.view_as is view_as
    assert userstate.get_dofn_specs is get_dofn_specs


def test_the_same_submodules_are_found():
    def function():
        return concurrent.futures.thread, beam.testing.util.equal_to

    given = function.__code__, [concurrent, beam, None]
    expected = cloudpickle._find_imported_submodules(*given)
    assert concurrent.futures.thread in expected
    with quick_pipelines():
        found = cloudpickle._find_imported_submodules(*given)
    assert {module.__name__ for module in found} == {module.__name__ for module in expected}


def test_a_pipeline_runs_in_the_context():
    options = PipelineOptions([*beam_arguments(())])
    with quick_pipelines(), beam.Pipeline(options=options) as pipeline:
        numbers = pipeline | beam.Create(range(10))
        sums = numbers | beam.Map(lambda number: (number % 2, number)) | beam.CombinePerKey(sum)
        assert_that(sums, equal_to([(0, 20), (1, 25)]))
