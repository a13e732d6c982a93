"""Kills runs, interrupts runs or simulates a full disk, and checks the next run.

    python -m tests.reliability.campaign --directory DIR --tune full [PART …]
    python -m tests.reliability.campaign --directory DIR --tune head [PART …]
    python -m tests.reliability.campaign --directory DIR table

PART is a kind of disturbance from the list below; by default, the command tests all kinds. The
command ends after N minutes at the latest (`--minutes N`). If the command is repeated, the campaign
continues. The command writes each result as a line of DIR/results.jsonl. The argument `table`
prints the content of DIR/results.jsonl as the table in docs/reliability.md. The command needs a C
compiler for tests/reliability/fault.c.

The run after a killed or interrupted run must match the reference, an undisturbed run on an empty
pipeline root. A run matches the reference if its status is 0, if it prints the same accuracy and
verdict, and if the serving directory contains only one version, with bit-identical weights.

- `kills`: SIGKILL at a random moment of a run on an empty pipeline root.
- `interrupts`: Ctrl-C at a random moment of a run. The interrupted run must end within 5 seconds,
  with status 130, and must not push a model after the signal.
- `import-kills`, `import-interrupts`: SIGKILL or Ctrl-C while the process imports TensorFlow and
  TFX.
- `files-KILL`, `files-ENOSPC`: SIGKILL, or a full disk, when a run creates or renames a file below
  the pipeline root, the serving directory or VIT_HOME. For each file that a run creates, the
  campaign disturbs one run when it creates this file. Each disturbed run starts with the files that
  the previous run left. After the last disturbed run, one more run without a disturbance must match
  the reference. If a run fails before its own disturbance, the campaign records a failure of the
  previous disturbance, which must have damaged files. The campaign then repeats the failed run with
  the files from before the previous run. With `--tune head`, the campaign skips the files that a
  run with `--tune full` also creates, because a campaign with `--tune full` tests these files.
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

# The number of disturbed runs for each kind of disturbance and each value of --tune. The kinds
# `files-KILL` and `files-ENOSPC` have no number here, because they disturb one run for each file.
_COUNTS = {"kills": 14, "interrupts": 9, "import-kills": 6, "import-interrupts": 2}
_FAULTS = {"files-KILL": "KILL", "files-ENOSPC": "ENOSPC"}


def main() -> None:
    """Runs the disturbances that the command line names, or prints the table of results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    everything = (*_COUNTS, *_FAULTS)
    parser.add_argument("parts", nargs="*", default=everything, metavar="PART")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--tune", choices=("full", "head"), default="full")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=8)
    parsed = parser.parse_args()
    if unknown := {*parsed.parts} - {*everything, "table"}:
        parser.error(f"{', '.join(unknown)}: expected one of {', '.join(everything)} or table")
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
    # A command that a shell starts in the background ignores SIGINT, and so do its child processes.
    # With this handler, SIGINT interrupts the runs even if the campaign runs in the background.
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
