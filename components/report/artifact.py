"""The type of the artifact that contains a report.

In a compiled pipeline, the type is `system.HTML`, so that the UI of Kubeflow Pipelines shows the
report. `pipeline.runners.compile` replaces the type, and `pipeline.runners.container` makes TFX use
this class for artifacts of the type `system.HTML`.
"""

from tfx.types.artifact import Artifact


class HtmlReport(Artifact):
    """A report. Its URI is that of the HTML file, or, in a local run, of the file's directory."""

    TYPE_NAME = "vit.HtmlReport"  # TFX's compiler requires the form namespace.Name
