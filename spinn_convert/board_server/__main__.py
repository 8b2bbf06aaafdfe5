"""The program that serves a board: python -m spinn_convert.board_server ADDRESS VERSION LOSE.

ADDRESS may be "any": the first one of the loopback that is free. Writes a line of JSON when it
serves; then one for each line it reads, and a last one when its input ends, which it also does
when its parent dies. So nothing is left behind.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from typing import Any

from spinn_convert.board_server.server import Server
from spinn_convert.errors import SpinnConvertError

FIRST, LAST = 2, 254
"""Last numbers of 127.0.0.x to try. Not 1: spinnman takes 127.0.0.1 for a machine of its own kind
(spinnman/transceiver/transceiver_factory.py)."""
ANY = "any"


def _say(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _opened(address: str, version: int, lose: float) -> tuple[Server, str]:
    """Return a server, and its address; raises OSError when none can be had."""
    if address != ANY:
        return Server(address, version, lose), address
    for number in range(FIRST, LAST + 1):
        address = f"127.0.0.{number}"
        try:
            return Server(address, version, lose), address
        except OSError as error:
            if error.errno != errno.EADDRINUSE or number == LAST:
                raise
    raise OSError(errno.EADDRINUSE, "every address is taken")


def main(arguments: list[str]) -> int:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    address, version, lose = arguments[0], int(arguments[1]), float(arguments[2])
    try:
        from spinn_convert.emulator.processor import warm_up

        warm_up()
        server, address = _opened(address, version, lose)
    except (OSError, SpinnConvertError) as error:
        _say({"error": str(error)})
        return 2
    _say({"address": address})
    while True:
        if server.poll(sys.stdin.fileno(), patience=0.5):
            asked = os.read(sys.stdin.fileno(), 4096)
            _say(server.report())
            if not asked:
                server.close()
                return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # a core that never sleeps has a thread that would not end
