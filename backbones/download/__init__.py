"""Downloads files by HTTP: resumes, retries, and checks a file before it gets its final name.

The package does not import TensorFlow, and imports `requests` only when a download begins, because
the command line imports the package and must start quickly. Proxies are set by environment
variables such as `https_proxy`.
"""

from backbones.download.transfer import Download, DownloadError, Patience, download

__all__ = ["Download", "DownloadError", "Patience", "download"]
