"""Names the nodes that took the most time."""

from collections.abc import Sequence

from common.duration import describe_duration
from components.report.contents import NodeUsage

_MOST = 3


def name_slowest(nodes: Sequence[NodeUsage]) -> str:
    """Returns a text with the names and times of the three nodes of a run that took the most time.

    The text leaves out nodes whose outputs were taken from the cache. If the outputs of all nodes
    were taken from the cache, the text is empty.
    """
    ran = sorted((node for node in nodes if not node.cached), key=lambda node: -node.seconds)
    return ", ".join(f"{node.node} {describe_duration(node.seconds)}" for node in ran[:_MOST])
