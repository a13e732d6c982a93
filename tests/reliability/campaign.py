"""Kills runs, interrupts them or fills their disk, and checks the next run.

    python -m tests.reliability.campaign --directory DIR --tune full [PART …]
    python -m tests.reliability.campaign --directory DIR --tune head [PART …]
    python -m tests.reliability.campaign --directory DIR table

The command runs the named parts, or all parts, in the order below. It ends after `--minutes N` at
the latest, and the same command then continues the campaign. It writes each result as a line of
DIR/results.jsonl; `table` prints the results as the table in docs/reliability.md. The command needs
a C compiler.

- `kills`: SIGKILL at a random moment of a run on an empty pipeline root. The next run must end like
  an undisturbed one.
- `interrupts`: Ctrl-C at a random moment. The process must end within 5 seconds, with status 130,
  and nothing may be pushed after the signal.
- `import-kills`, `import-interrupts`: the same signals, while the process imports TensorFlow and
  TFX.
- `files-KILL`, `files-ENOSPC`: a run is killed, or the disk is full, when it creates or renames a
  file below the pipeline root, the serving directory or VIT_HOME. The next run continues, and has
  the same fault at the next file; the last run must end like an undisturbed one. If a run fails
  before it creates its file, this counts as a failure after the previous fault, and the files from
  before that fault are restored. With `--tune head`, files that runs with `--tune full` also create
  are skipped.

A run that ends like an undisturbed one has status 0, the accuracy and the verdict of a run on an
empty root, and bit-identical weights in the only version of the serving directory.
"""

import argparse
import random
import signal
import subprocess
import time
from pathlib import Path

from tests.reliability.files import disturb_files
from tests.reliability.outcome import Campaign, Reference, Results
from tests.reliability.signals import disturb_runs
from tests.reliability.workload import ForkServer, Workload

# The number of disturbed runs of each part, for each value of --tune. `files-KILL` and
# `files-ENOSPC` have one run for each file.
_COUNTS = {"kills": 14, "interrupts": 9, "import-kills": 6, "import-interrupts": 2}
_FAULTS = {"files-KILL": "KILL", "files-ENOSPC": "ENOSPC"}


def main() -> None:
    """Runs parts of the campaign."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    everything = (*_COUNTS, *_FAULTS)
    parser.add_argument("parts", nargs="*", default=everything, metavar="PART")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--tune", choices=("full", "head"), default="full")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=8)
    parsed = parser.parse_args()
    if unknown := {*parsed.parts} - {*everything, "table"}:
        parser.error(f"{', '.join(unknown)}: expected of {', '.join(everything)} or table")
    results = Results(parsed.directory / "results.jsonl")
    if parsed.parts == ["table"]:
        print(results.table())
        return
    workload = Workload(parsed.directory / parsed.tune, parsed.tune)
    workload.prepare()
    preload = parsed.directory.resolve() / "fault.so"
    source = Path(__file__).with_name("fault.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", preload, source, "-ldl"], check=True)
    until = time.monotonic() + 60 * parsed.minutes
    # A shell starts background jobs with SIGINT ignored, and runs would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    server = ForkServer(preload)
    try:
        campaign = Campaign(server, workload, Reference.of(server, workload), results, until)
        print(f"an undisturbed run takes {campaign.reference.seconds:.1f} s", flush=True)
        for part in parsed.parts:
            if part in _FAULTS:
                disturb_files(campaign, part, _FAULTS[part])
            else:
                moments = random.Random(f"{part} {parsed.tune} {parsed.seed}")
                disturb_runs(campaign, part, _COUNTS[part], moments)
    finally:
        server.close()


if __name__ == "__main__":
    main()
