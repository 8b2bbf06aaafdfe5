"""SpiNNaker through sPyNNaker: checks, builds, runs, maps."""
