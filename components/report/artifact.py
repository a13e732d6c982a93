"""The type of the artifact that contains a report.

In a compiled pipeline, the type is `system.HTML`, so that the UI of Kubeflow Pipelines shows the
report. `pipeline.runners.compile` replaces the type `vit.HtmlReport` with `system.HTML`, and
`pipeline.runners.container` makes TFX use the class `HtmlReport` for `system.HTML` artifacts.
"""

from tfx.types.artifact import Artifact


class HtmlReport(Artifact):
    """A report. The URI of the artifact refers to the HTML file or, in a local run, to the
    directory that contains the HTML file.
    """

    TYPE_NAME = "vit.HtmlReport"  # TFX's compiler requires the form namespace.Name
