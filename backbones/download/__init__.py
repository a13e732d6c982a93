"""Downloads files by HTTP, with resuming, retries and checks; only complete files appear.

The package does not import TensorFlow, and imports `requests` only for a download. Proxies are set
by environment variables such as `https_proxy`.
"""

from backbones.download.transfer import Download, DownloadError, Patience, download

__all__ = ["Download", "DownloadError", "Patience", "download"]
