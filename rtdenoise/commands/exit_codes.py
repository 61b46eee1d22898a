"""What the process ends with."""

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
