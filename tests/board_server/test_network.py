"""The server as a host sees it: answers, repeated requests, garbage, and what is left after it."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("unicorn")

from support.board_host import BOOT_PORT, OK, SCP_PORT, Host

import spinn_convert as sc
from spinn_convert.board_server.process import start
from spinn_convert.errors import BackendError

VER, READ, WRITE, COUNT, APP_COPY_RUN, SIG, IPTAG, ALLOC, INFO = 0, 2, 3, 15, 21, 22, 26, 28, 31
BAD_ARGUMENT, BAD_COMMAND = 0x84, 0x83
SDRAM = 0x6000_0000


@pytest.fixture(scope="module")
def board():
    with start(version=3) as board:
        yield board


@pytest.fixture
def host(board):
    with Host(board.address) as host:
        yield host


def allocate(host, size, tag=0):
    result, data = host.ask(ALLOC, (17 << 8, size, tag))
    assert result == OK
    return int.from_bytes(data, "little")


def is_free(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def eventually(condition):
    for _ in range(100):
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_it_says_what_it_is(host):
    result, data = host.ask(VER)
    assert result == OK
    assert data[12:] == b"SC&MP/SpiNNaker\x004.0.0\x00"
    _, data = host.ask(INFO, chip=(0, 1))
    flags, largest = struct.unpack_from("<2I", data)
    assert (flags & 0x1F, largest) == (18, 123_469_792)


def test_memory_reads_as_it_was_written(host):
    content = bytes(range(256))
    assert host.ask(WRITE, (SDRAM + 64, 256, 0), content, chip=(1, 1)) == (OK, b"")
    assert host.ask(READ, (SDRAM + 64, 256, 0), chip=(1, 1)) == (OK, content)
    assert host.ask(READ, (SDRAM + 64, 256, 0), chip=(1, 0)) == (OK, bytes(256))


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (READ, (0, 4, 0)),
        (READ, (SDRAM, 1 << 31, 0)),
        (WRITE, (0x1234, 4, 0)),
        (5, (SDRAM, 0, 0xFFFF_FFFF)),
        (APP_COPY_RUN, (0, 0xFFFF_FFFC, 0xFF)),
        (29, (0xFFFF_1102, SDRAM, 1)),
        (ALLOC, (99, 0, 0)),
        (IPTAG, (1 << 16 | 1, 5000, 0x0100_000A)),  # a tag to 10.0.0.1
    ],
)
def test_requests_that_make_no_sense_are_refused(host, command, arguments):
    assert host.ask(command, arguments, chip=(0, 0))[0] == BAD_ARGUMENT


def test_an_unknown_command_is_refused(host):
    assert host.ask(99)[0] == BAD_COMMAND


def test_a_request_that_comes_again_is_answered_but_not_done_again(host):
    content = host.datagram(ALLOC, (17 << 8, 1000, 0))
    answers = []
    for _ in range(3):
        host.send(content)
        answers.append(host.answer())
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == OK
    first, second = int.from_bytes(answers[0][2], "little"), allocate(host, 1000)
    assert second == first + 1008  # a block's header has 8 bytes


@pytest.mark.slow
def test_requests_are_answered_once_each_although_datagrams_are_lost():
    with start(version=3, lose=0.2) as lossy, Host(lossy.address) as host:
        host.socket.settimeout(0.05)
        found = [allocate(host, 8) for _ in range(60)]
        assert found == list(range(found[0], found[0] + 16 * 60, 16))
        assert lossy.report().served["requests that came again"] > 0


def test_a_board_is_fresh_for_the_next_host_once_the_last_has_gone(board):
    with Host(board.address) as one, Host(board.address) as other:
        first = allocate(one, 5000)
        assert allocate(other, 5000) > first
    with Host(board.address) as host:
        host.ask(VER)
        assert allocate(host, 5000) == first


@pytest.mark.slow
def test_a_board_is_booted_soon_after_its_hosts_have_gone(board):
    with Host(board.address) as host:
        allocate(host, 16)
        before = board.report().done["boots"]
    assert eventually(lambda: board.report().done["boots"] > before)


def test_booting_forgets_everything(host):
    first = allocate(host, 4000)
    assert allocate(host, 4000) > first
    host.boot()
    host.ask(VER)
    assert allocate(host, 4000) == SDRAM + 24  # behind the heap's and the block's header


@pytest.mark.slow
def test_garbage_changes_nothing_for_the_next_host(board):
    rng = np.random.default_rng(5)
    commands = [0, 2, 3, 5, 15, 17, 18, 19, 20, 21, 22, 25, 26, 28, 29, 31, 32]
    with Host(board.address) as host:
        host.socket.setblocking(False)
        for i in range(10_000):
            content = rng.bytes(int(rng.integers(0, 300)))
            if i % 2:  # the right form, and nothing else
                command, chip = int(rng.choice(commands)), tuple(rng.integers(0, 2, 2).tolist())
                arguments = rng.integers(0, 1 << 32, 3).tolist()
                content = host.datagram(command, arguments, content, chip, int(rng.integers(32)))
            host.send(content, BOOT_PORT if i % 10 == 0 else SCP_PORT)
            if i % 50 == 0:
                time.sleep(0.005)
    with Host(board.address) as host:
        result, data = host.ask(VER)
        assert (result, data[12:17]) == (OK, b"SC&MP")
        assert host.ask(INFO)[1][:8] == untouched()
        assert allocate(host, 100) == SDRAM + 24
    assert not [problem for problem in board.report().problems if "fault" in problem.what]


def untouched():
    """Return what a chip says that nobody has used: 18 cores, 4 links, 1023 entries, Ethernet."""
    return struct.pack("<2I", 18 | 0b100111 << 8 | 1023 << 14 | 1 << 25, 123_469_792)


def test_two_boards_have_two_addresses_and_a_taken_one_is_an_error(board):
    with start(version=3) as other:
        assert other.address != board.address
        assert other.config == f"[Machine]\nmachine_name = {other.address}\nversion = 3"
        with pytest.raises(BackendError, match=r"in use[\s\S]*leave the address out"):
            start(version=3, address=other.address)
    assert eventually(lambda: is_free(other.address, SCP_PORT))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "192.168.240.1", "localhost"])
def test_only_the_loopback_is_served(address):
    with pytest.raises(BackendError, match=r"no address at which a board can be served"):
        start(address=address)


def test_what_makes_no_sense_is_refused_at_once():
    with pytest.raises(BackendError, match="no board of version 4") as found:
        start(version=4, lose=1.0)
    assert "share of 1.0" in str(found.value)


def test_the_block_ends_the_board_whatever_happens():
    addresses = []

    def fail():
        with sc.software_board(version=3) as address:
            addresses.append(address)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert eventually(lambda: is_free(addresses[0], SCP_PORT))


def test_nothing_is_left_when_the_user_is_killed():
    code = (
        "import spinn_convert as sc, time\n"
        "with sc.software_board(version=3) as address:\n"
        "    print(address, flush=True); time.sleep(60)"
    )
    user = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with user:
        address = user.stdout.readline().strip()
        assert not is_free(address, SCP_PORT)
        user.kill()
    assert eventually(lambda: is_free(address, SCP_PORT) and is_free(address, BOOT_PORT))


def test_a_board_that_was_killed_is_an_error_in_words():
    board = start(version=3)
    os.kill(board.process.pid, signal.SIGKILL)
    with pytest.raises(BackendError, match="ended by itself"):
        board.report()
    board.kill()
