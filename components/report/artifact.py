"""The artifact of a report.

`pipeline.runners.compile` gives it the type `system.HTML` in a compiled pipeline, so that the UI of
Kubeflow Pipelines shows it, and `pipeline.runners.container` gives TFX this class for it.
"""

from tfx.types.artifact import Artifact


class HtmlReport(Artifact):
    """A report. Its URI is the HTML file itself, or, in a local run, the directory that has it."""

    TYPE_NAME = "vit.HtmlReport"  # TFX's compiler asks for the form namespace.Name
