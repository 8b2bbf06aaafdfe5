"""spinn-convert board: says how to reach it, serves until Ctrl-C, says what it did."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

pytest.importorskip("unicorn")

from support.board_host import Host


@contextmanager
def serving(*options):
    command = [sys.executable, "-m", "spinn_convert", "board", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        yield process
        process.kill()


def address(stream):
    lines = [stream.readline().strip() for _ in range(3)]
    assert lines[0] == "[Machine]"
    assert lines[2] == "version = 3"
    return lines[1].removeprefix("machine_name = ")


def test_it_serves_until_it_is_interrupted_and_says_what_it_did():
    with serving("--version", "3") as process:
        with Host(address(process.stdout)) as host:
            assert host.ask(0)[0] == 0x80
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "served: 1 SCP VER" in out
    assert "this computer only" in err
    assert "Traceback" not in err


def test_json_is_all_there_is_on_stdout():
    with serving("--version", "3", "--json") as process:
        address(process.stderr)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    content = json.loads(out)
    assert content["version"] == 3
    assert content["problems"] == []
