"""SpiNNaker boards in software: the unmodified sPyNNaker binaries, run with the data of a mapping.

    sim.run(16)                     # on sPyNNaker's virtual board
    image = snapshot(16)            # emulator.snapshot
    board = Board(image)            # emulator.board
    result = board.run(16)
    sim.reset(); population.set(...)
    board.reload(after_reset(image)); result = board.run(16)

The ARM instructions of sPyNNaker's .aplx files run in the PyPI package `unicorn`; this package adds
the hardware around them and what the boot software leaves in memory. It contains no neuron model.

Differs from hardware: cores and links are infinitely fast, so no packet is late, dropped or waits;
the on-chip data generators are not run, the host writes their data; cores of one chip do not share
their SDRAM, so split and delay-extension cores are refused; host traffic and energy are not
modelled.
"""
