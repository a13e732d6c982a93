"""Kills, interrupts and fills the disk of runs, and looks at the runs after them.

    python -m tests.reliability.campaign --directory DIR --tune full [PART …]
    python -m tests.reliability.campaign --directory DIR --tune head [PART …]
    python -m tests.reliability.campaign --directory DIR table

does the parts, or all of them, in the order below, for `--minutes N`; the same command goes on from
there. Results are lines of DIR/results.jsonl; `table` prints them as docs/reliability.md has them.
A C compiler is needed.

- `kills`: SIGKILL at a moment drawn evenly from the length of a run, on an empty pipeline root. The
  next run must end as an undisturbed one.
- `interrupts`: Ctrl-C in the same way. The process must end within 5 seconds, with status 130, and
  nothing may be pushed after the signal.
- `import-kills`, `import-interrupts`: the same in a process that still imports TensorFlow and TFX.
- `files-KILL`, `files-ENOSPC`: a run is killed, or the disk is full, at every file that a run
  creates or renames below the pipeline root, the serving directory and VIT_HOME. The next run goes
  on from there and meets the next file; the last one must end as an undisturbed one. Where a run
  fails before it gets to its file, the fault before is to blame, and its traces are removed. With
  `--tune head`, only the files that the runs with `--tune full` do not have.

An undisturbed end is: status 0, the accuracy and the verdict of a run on an empty root, and the
same weights (to the last bit with `--tune full`) in the one version of the serving directory.
"""

import argparse
import random
import subprocess
import time
from pathlib import Path

from tests.reliability.files import disturb_files
from tests.reliability.outcome import Campaign, Reference, Results
from tests.reliability.signals import disturb_runs
from tests.reliability.workload import ForkServer, Workload

# How many runs of each part are disturbed, for each way of tuning; of files, every one.
_COUNTS = {"kills": 14, "interrupts": 9, "import-kills": 6, "import-interrupts": 2}
_FAULTS = {"files-KILL": "KILL", "files-ENOSPC": "ENOSPC"}


def main() -> None:
    """Does parts of a campaign."""
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
