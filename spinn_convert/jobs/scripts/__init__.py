"""Scripts that run a converted network without this package; `script` copies them beside data."""
