"""The TFX type of the artifact that contains a report.

The UI of Kubeflow Pipelines shows only artifacts of its own type `system.HTML` as pages, and TFX
has no class for `system.HTML`. `pipeline.runners.compile` therefore writes `system.HTML` instead of
`vit.HtmlReport` into the compiled pipeline. When the pipeline runs, `pipeline.runners.container`
makes TFX use the class `HtmlReport` for artifacts of the type `system.HTML`.
"""

from tfx.types.artifact import Artifact


class HtmlReport(Artifact):
    """A report. The URI of the artifact refers to the HTML file or, in a local run, to the
    directory that contains the HTML file.
    """

    TYPE_NAME = "vit.HtmlReport"  # TFX's compiler requires the form namespace.Name
