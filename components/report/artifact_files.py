"""The names of the files of a report."""

PAGE, CARD = "report.html", "README.md"


def page_of(uri: str) -> str:
    """Returns the path or URI of the HTML page of the HtmlReport artifact at `uri`.

    In a local run, `uri` is the URI of the directory that contains the HTML page. On a cluster,
    `uri` is the URI of the HTML page itself.
    """
    return uri if uri.endswith(".html") else f"{uri}/{PAGE}"
