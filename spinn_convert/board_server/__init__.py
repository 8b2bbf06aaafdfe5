"""A SpiNNaker board in software for stock sPyNNaker: a server on this computer's loopback.

    with software_board(version=3) as address:
        ...                         # machine_name = address, version = 3 in .spynnaker.cfg

It answers as a booted SpiNN-3 or SpiNN-5, and executes what is loaded, with the emulated processor
of `spinn_convert.emulator`. Nothing here knows sPyNNaker's models, or imports it.

`process` starts and ends the server, a program of its own (`__main__`); `server` has the sockets,
`monitor` the ways of messages, `commands` what the boot software (SCAMP) does, `executor` the
thread that runs cores, `board` and `core` what they do, `chip`, `heap`, `routing_table` and
`mailbox` what SCAMP leaves in memory.

Differs from hardware: time steps take as long as they take, so that nothing is late, dropped or
waits; no board management (BMP), one board, no timer 2, cores of a chip run one after another.
"""
