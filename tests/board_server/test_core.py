"""Cores that fail stop alone, and say why: to the host by state and log, to the user in words."""

import struct

import pytest

pytest.importorskip("unicorn")

from spinn_convert.board_server.hardware.board import Board
from spinn_convert.board_server.hardware.chip import WATCHDOG
from spinn_convert.board_server.hardware.geometry import geometry
from spinn_convert.board_server.hardware.watch import Watch
from spinn_convert.emulator.system_ram import CPU_BLOCKS

WAIT_FOR_INTERRUPT, BRANCH_TO_ITSELF = 0xEE070F90, 0xEAFFFFFE


def binary(*code):
    """Return an .aplx file that puts code at address 0 and begins there."""
    head = struct.pack("<12I", 2, 0, 48, 4 * len(code), 4, 0, 0, 0, 0, 0, 0, 0)
    return head + struct.pack(f"<{len(code)}I", *code)


@pytest.fixture
def board():
    watch = Watch(longest=0.5)
    yield Board(geometry(3), bytes(4), watch)
    watch.close()


def load(board, processor, *code):
    board.load(board.chips[0, 0], [processor], 30, False, binary(*code))


def log(board, processor):
    memory = board.chips[0, 0].memory
    at = memory.word(CPU_BLOCKS + 128 * processor + 88)
    return memory.read(at + 16, memory.word(at + 12)).decode()


def test_a_core_that_never_sleeps_is_stopped_and_the_others_are_not(board):
    load(board, 1, WAIT_FOR_INTERRUPT, BRANCH_TO_ITSELF)
    load(board, 2, BRANCH_TO_ITSELF)
    (problem,) = board.problems
    assert problem.where == "core 0,0,2 (loading)"
    assert problem.what == "runs without ever sleeping, at 0x0"
    chip = board.chips[0, 0]
    assert [chip.state(p) for p in (1, 2)] == [4, WATCHDOG]
    assert chip.count(30, WATCHDOG) == 1
    assert log(board, 2).startswith("[ERROR] (software board): loading runs without ever sleeping")
    board.stop(30)
    assert chip.count(30, WATCHDOG) == 0


def test_timer_2_is_refused_by_name(board):
    # mov r1, #0x11000000; mov r2, #0xe3; str r2, [r1, #0x28]
    load(board, 3, 0xE3A01411, 0xE3A020E3, 0xE5812028, WAIT_FOR_INTERRUPT)
    (problem,) = board.problems
    assert "core 0,0,3" in problem.where
    assert "timer 2" in problem.what
    assert "synapse and neuron cores" in problem.fix
    assert "timer 2" in log(board, 3)


def test_code_that_goes_astray_names_its_address(board):
    load(board, 4, 0xE3A0F20A)  # mov pc, #0xa0000000, where nothing is
    (problem,) = board.problems
    assert "core 0,0,4" in problem.where
    assert "0xa0000000" in problem.what


def test_what_is_no_binary_is_refused(board):
    with pytest.raises(ValueError, match="unknown command 0"):
        board.load(board.chips[0, 0], [1], 30, True, bytes(1000))
    assert board.chips[0, 0].count(30, 5) == 0


@pytest.mark.parametrize(("lower", "served"), [(3, [7, 3]), (9, [7])])
def test_interrupts_interrupt_only_those_of_higher_slots(lower, served):
    from spinn_convert.emulator.devices import InterruptController

    controller = InterruptController()
    for slot, line in ((lower, 10), (7, 11)):
        controller.write(0x200 + 4 * slot, 0x20 | line)
        controller.write(0x100 + 4 * slot, slot)
    controller.write(0x10, 1 << 10 | 1 << 11)
    controller.set_line(11, True)
    found = [controller.read(0x30)]
    controller.set_line(11, False)
    controller.set_line(10, True)
    if controller.pending_normal():
        found.append(controller.read(0x30))
        controller.write(0x30, 0)
    assert found == served
    controller.write(0x30, 0)
    assert controller.pending_normal() == 1 << 10
