"""The artifact of a report.

In a compiled pipeline, `pipeline.runners.compile` gives the artifact the type `system.HTML`, so
that the UI of Kubeflow Pipelines shows it, and `pipeline.runners.container` gives TFX this class
for the type.
"""

from tfx.types.artifact import Artifact


class HtmlReport(Artifact):
    """A report. A report, whose URI is the HTML file itself, or, in a local run, the directory of
    the file.
    """

    TYPE_NAME = "vit.HtmlReport"  # TFX's compiler requires the form namespace.Name
