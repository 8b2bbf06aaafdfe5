"""A host of a few lines: what spinnman sends, byte by byte, without spinnman."""

from __future__ import annotations

import socket
import struct

SCP_PORT, BOOT_PORT = 17893, 54321
OK = 0x80


class Host:
    """A socket that talks to a board; `ask` repeats a request that is not answered."""

    def __init__(self, address):
        self._address, self._sequence = address, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(1)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    def datagram(self, command, arguments=(0, 0, 0), data=b"", chip=(255, 255), core=0):
        """Return the bytes of the next request."""
        self._sequence += 1
        head = struct.pack("<2x8B", 0x87, 0xFF, core, 0xFF, chip[1], chip[0], 0, 0)
        return head + struct.pack("<2H3I", command, self._sequence, *arguments) + data

    def send(self, content, port=SCP_PORT):
        """Send bytes."""
        self.socket.sendto(content, (self._address, port))

    def answer(self):
        """Return the next answer: result, sequence number and data."""
        content = self.socket.recv(1024)
        return *struct.unpack_from("<2H", content, 10), content[14:]

    def ask(self, *arguments, **options):
        """Return (result, data) of a request."""
        content = self.datagram(*arguments, **options)
        for _ in range(10):
            self.send(content)
            try:
                while True:
                    result, sequence, data = self.answer()
                    if sequence == self._sequence:
                        return result, data
            except TimeoutError:
                pass
        raise TimeoutError("no answer")

    def boot(self):
        """Send the last of the messages with which a board is booted."""
        self.send(struct.pack(">H4I", 1, 5, 1, 0, 0), BOOT_PORT)
