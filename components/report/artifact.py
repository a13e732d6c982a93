"""The TFX type of the artifact that contains a report.

The UI of Kubeflow Pipelines displays an artifact as an HTML page only if its type is `system.HTML`.
TFX has no class for the type `system.HTML`, so this module defines the class `HtmlReport` with the
type name `vit.HtmlReport`. In the compiled pipeline, `pipeline.runners.compile` replaces
`vit.HtmlReport` with `system.HTML`. When the pipeline runs, `pipeline.runners.container` makes TFX
use the class `HtmlReport` for artifacts of the type `system.HTML`.
"""

from tfx.types.artifact import Artifact


class HtmlReport(Artifact):
    """A report. The URI of the artifact refers to the HTML file or, in a local run, to the
    directory that contains the HTML file.
    """

    TYPE_NAME = "vit.HtmlReport"  # TFX's compiler requires the form namespace.Name
