"""Files by HTTP: resumed, retried, checked, and there as a whole or not at all.

Imports neither TensorFlow nor, before a download, `requests`. Proxies are those of the environment
(`https_proxy` and so on).
"""

from backbones.download.transfer import Download, DownloadError, Patience, download

__all__ = ["Download", "DownloadError", "Patience", "download"]
