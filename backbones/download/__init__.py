"""Downloads files by HTTP, with resuming, retries and checks; only complete files appear.

Imports neither TensorFlow nor, before a download, `requests`. The environment sets proxies
(`https_proxy` and so on).
"""

from backbones.download.transfer import Download, DownloadError, Patience, download

__all__ = ["Download", "DownloadError", "Patience", "download"]
