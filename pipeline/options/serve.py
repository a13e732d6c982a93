"""The options of the serving directory."""

import dataclasses

from common.options import AT_LEAST_ONE, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Serve:
    """How pushed models are served; each field is an option `serve.…` of the pipeline."""

    keep_versions: int = option(
        "versions that stay in the serving directory; older ones are removed after a push",
        default=5,
        check=AT_LEAST_ONE,
    )
