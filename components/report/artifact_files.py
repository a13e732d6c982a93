"""The names of the files of a report."""

PAGE, CARD = "report.html", "README.md"


def page_of(uri: str) -> str:
    """Returns the path or URI of the HTML page of the HtmlReport artifact at `uri`.

    In a local run, `uri` refers to a directory that contains the page. On a cluster, `uri` refers
    to the page itself.
    """
    return uri if uri.endswith(".html") else f"{uri}/{PAGE}"
