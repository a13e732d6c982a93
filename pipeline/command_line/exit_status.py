"""The exit status of the command line."""

PUSHED, FAILED, BAD_USAGE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 130
DONE = PUSHED  # exit status of successful commands that push no model, such as `--history`
