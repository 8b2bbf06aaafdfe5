"""One module per command: parse, call a job, print."""
