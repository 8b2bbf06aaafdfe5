"""What the boot software leaves in memory, against models of a few lines."""

import numpy as np
import pytest

from spinn_convert.board_server.hardware import layout
from spinn_convert.board_server.hardware.chip import ChipState
from spinn_convert.board_server.hardware.geometry import geometry
from spinn_convert.board_server.hardware.routes import Routes
from spinn_convert.emulator.devices import FIXED_ROUTE, Packet
from spinn_convert.errors import BackendError


@pytest.fixture
def chip():
    return ChipState((0, 0), geometry(3), bytes([127, 0, 0, 2]))


@pytest.mark.parametrize(
    ("version", "chips", "cores", "links"), [(3, 4, 72, 16), (5, 48, 856, 240)]
)
def test_boards_are_those_of_spinn_machine(version, chips, cores, links):
    board = geometry(version)
    assert len(board.links) == chips
    assert sum(board.processors.values()) == cores
    assert sum(len(ends) for ends in board.links.values()) == links
    for chip, ends in board.links.items():
        for link, other in ends.items():
            assert board.links[other][(link + 3) % 6] == chip
    for chip in board.parents:
        for _ in range(chips):
            chip = board.links[chip][board.parents[chip]] if chip != (0, 0) else chip
        assert chip == (0, 0)


def test_there_is_no_board_of_version_4():
    with pytest.raises(BackendError, match="3 has 4 chips, 5 has 48"):
        geometry(4)


def test_blocks_of_a_heap_never_overlap_and_all_come_back(chip):
    rng, heap = np.random.default_rng(0), chip.user_heap
    whole, owned = heap.largest(), {}
    for _ in range(300):
        if owned and rng.random() < 0.45:
            address = list(owned)[rng.integers(len(owned))]
            assert heap.free(address) == 1
            del owned[address]
            continue
        size, app_id = int(rng.integers(1, 5000)), int(rng.integers(16, 19))
        address = heap.allocate(size, app_id, 0, False)
        assert address % 4 == 0
        for other, (length, _) in owned.items():
            assert address + size <= other or other + length <= address
        owned[address] = size, app_id
    for app_id in (16, 17, 18):
        assert heap.free_all(app_id) == sum(owner == app_id for _, owner in owned.values())
    assert heap.largest() == whole == 123_469_792


def test_a_tag_is_allocated_once(chip):
    first = chip.user_heap.allocate(100, 17, 5, True)
    assert chip.user_heap.allocate(100, 17, 5, True) == first
    assert chip.user_heap.allocate(100, 17, 5, False) == 0
    assert chip.user_heap.allocate(1 << 30, 17, 0, False) == 0
    chip.user_heap.free(first)
    assert chip.memory.word(layout.TAGS + 4 * (17 << 8 | 5)) == 0


def test_a_damaged_heap_is_an_error_not_a_loop(chip):
    chip.memory.set_words(chip.memory.word(layout.USER_HEAP), layout.USER_HEAP)
    with pytest.raises(ValueError, match="damaged"):
        chip.user_heap.largest()


def test_routing_entries_are_allocated_found_and_freed(chip):
    table = chip.routes
    assert table.largest() == 1023
    first, second = table.allocate(3, 17), table.allocate(5, 18)
    assert (first, second) == (1, 4)
    entries = [(1 << 6, 0x100, 0xFFFFFF00), (1 << 7, 0x100, 0xFFFF0000), (2, 0x20000, 0xFFFF0000)]
    for i, (route, key, mask) in enumerate(entries):
        chip.memory.set_words(layout.SYSTEM_BUFFER + 16 * i, 0, route, key, mask)
    table.load(layout.SYSTEM_BUFFER, 3, first, 17)
    assert [table.find(key) for key in (0x1FF, 0x20001, 0x30000)] == [1 << 6, 2, None]
    table.free(17)
    assert table.find(0x1FF) is None
    assert table.largest() == 1015
    table.free(18)
    assert table.largest() == 1023
    with pytest.raises(ValueError, match="no routing entries"):
        table.load(layout.SYSTEM_BUFFER, 1000, 500, 17)


def test_packets_follow_tables_default_routes_and_fixed_routes():
    board = geometry(5)
    chips = {where: ChipState(where, board, bytes(4)) for where in ((0, 0), (1, 0), (2, 0))}
    routes = Routes(chips, {where: board.links[where] for where in chips})
    for where, route in (((0, 0), 1), ((2, 0), 1 << 6 + 3)):  # (1, 0) has no entry: straight on
        at = chips[where].routes.allocate(1, 17)
        chips[where].memory.set_words(layout.SYSTEM_BUFFER, 0, route, 0x10, 0xFFFF_FFFF)
        chips[where].routes.load(layout.SYSTEM_BUFFER, 1, at, 17)
    assert routes.targets((0, 0), Packet(0x10)) == ((2, 0, 3),)
    assert routes.targets((0, 0), Packet(0x10)) == ((2, 0, 3),)
    counted = [chips[where].router.words[0xC0:0xC9] for where in chips]
    assert [words[0] for words in counted] == [2, 0, 0]
    assert [words[1] for words in counted] == [0, 2, 2]
    assert routes.targets((1, 0), Packet(0x11)) == ()
    assert chips[1, 0].router.words[0xC8] == 1  # dumped
    chips[2, 0].fixed_route, chips[1, 0].fixed_route = 1 << 3, 1 << 6 + 1
    assert routes.targets((2, 0), Packet(5, 6, FIXED_ROUTE)) == ((1, 0, 1),)
