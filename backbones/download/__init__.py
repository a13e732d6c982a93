"""Downloads files by HTTP: resumes, retries and checks them, and renames only complete ones.

Imports neither TensorFlow nor, before a download, `requests`. The environment sets proxies
(`https_proxy` and so on).
"""

from backbones.download.transfer import Download, DownloadError, Patience, download

__all__ = ["Download", "DownloadError", "Patience", "download"]
