"""Downloads Beam's job server for Flink, which contains Flink, from Maven Central.

    python tests/end_to_end/flink_job_server.py .cache/flink [BEAM_VERSION]

writes `.cache/flink/job-server.jar`. Maven resolves the dependencies of the job server,
verifies their checksums, and uses the mirrors in ~/.m2/settings.xml. Beam also publishes the job
server as one big jar, `org.apache.beam:beam-runners-flink-…-job-server`, which this program does
not use.
"""

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

FLINK = "1.19"
MAIN = "org.apache.beam.runners.flink.FlinkJobServerDriver"
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>none</groupId> <artifactId>none</artifactId> <version>0</version>
  <packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>org.apache.beam</groupId>
    <artifactId>beam-runners-flink-{flink}</artifactId>
    <version>{beam}</version>
  </dependency></dependencies>
</project>
"""
_LINE = 70  # bytes; a line of a manifest has at most 72 bytes, including the line break


def get(directory: Path, beam: str) -> Path:
    """Downloads the job server for a version of Beam into `directory`; returns its jar."""
    directory = directory.resolve()  # Maven resolves relative paths against the POM's folder
    directory.mkdir(parents=True, exist_ok=True)
    pom = directory / "pom.xml"
    pom.write_text(POM.format(flink=FLINK, beam=beam))
    jars = directory / "jars"
    shutil.rmtree(jars, ignore_errors=True)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    subprocess.run(
        ["mvn", "--batch-mode", "--quiet", "--strict-checksums", f"--file={pom}", *goal], check=True
    )
    server = directory / "job-server.jar"
    with zipfile.ZipFile(server, "w") as archive:
        names = sorted(f"{jars.name}/{jar.name}" for jar in jars.iterdir())
        archive.writestr("META-INF/MANIFEST.MF", manifest(MAIN, names))
    return server


def manifest(main: str, class_path: list[str]) -> str:
    """Returns the manifest of a jar: its main class, and its class path, relative to the jar."""
    entries = [
        "Manifest-Version: 1.0",
        f"Main-Class: {main}",
        f"Class-Path: {' '.join(class_path)}",
    ]
    lines = []
    for entry in entries:
        lines.append(entry[:_LINE])
        rest = entry[_LINE:]
        lines += [f" {rest[i : i + _LINE - 1]}" for i in range(0, len(rest), _LINE - 1)]
    return "".join(f"{line}\r\n" for line in [*lines, ""])


if __name__ == "__main__":
    target, *given = sys.argv[1:]
    print(get(Path(target), *(given or [version("apache-beam")])))
