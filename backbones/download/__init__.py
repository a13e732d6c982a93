"""Downloads files by HTTP: resumes, retries, and checks a file before it gets its final name.

So that the command line starts quickly, the package does not import TensorFlow, and imports
`requests` only when a download begins. Proxies are set by environment variables such as
`https_proxy`.
"""

from backbones.download.transfer import Download, DownloadError, Patience, download

__all__ = ["Download", "DownloadError", "Patience", "download"]
