"""The files in boards/, and others like them: read, or refused with what contradicts what."""

import pytest

pytest.importorskip("spynnaker")

from support.places import BOARDS

from spinn_convert.backends.spinnaker.machine import read_machine
from spinn_convert.errors import BackendError

pytestmark = pytest.mark.spinnaker


@pytest.mark.parametrize("path", sorted(BOARDS.glob("*.cfg")), ids=lambda path: path.stem)
def test_spynnaker_knows_every_option_of_the_boards(path):
    import pyNN.spiNNaker  # noqa: F401
    from spinn_utilities.config_holder import get_default_cfgs
    from spinn_utilities.configs import CamelCaseConfigParser
    from spynnaker.pyNN.config_setup import setup_configs

    setup_configs()
    known = CamelCaseConfigParser()
    known.read(get_default_cfgs())
    machine = read_machine(path)
    assert machine.kind in (path.stem.split("_")[0], "board")
    assert path.name in (BOARDS / "README.md").read_text()
    for section, options in machine.config.items():
        for option in options:
            assert known.has_option(section, option), option
            assert option in (BOARDS / "README.md").read_text(), option


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Machine]\nversion = 5", "names no board"),
        ("[Machine]\nmachineName = 10.0.0.1", "no version is given"),
        ("[Machine]\nversion = 201\nvirtual_board = True", "version 201 is not supported"),
        ("[Machine]\nversion=5\nvirtual_board=True\nmachine_name=a", "virtual board has no mach"),
        ("[Machine]\nversion=5\nspalloc_server=b\nmachine_name=a", "exclude each other"),
        (
            "[spinn_convert]\nemulated = True\n[Machine]\nversion = 5\nspallocserver = a",
            "emulated board has no spalloc_server",
        ),
        ("[spinn_convert]\nsoftware=1\nemulated=1\n[Machine]\nversion=5", "exclude each other"),
        (
            "[spinn_convert]\nsoftware = 1\n[Machine]\nversion = 5\nmachine_name = a",
            "software board has no machine_name",
        ),
        (
            "[spinn_convert]\nsoftware = 1\n[Machine]\nversion = 5\nvirtual_board = True",
            "software board is not virtual",
        ),
        ("[Machine]\nversion=5\nvirtual_board=True\nwidth=8", "only width"),
        ("[Machine]\nversion=5\nmachine_name=a\nwidth=8\nheight=8", "of no virtual board"),
        ("[Machine]\nversion=5\nvirtual_board=True\nwidth=x\nheight=8", "whole numbers"),
        ("[spinn_convert]\nboards = 3\n[Machine]\nversion=5\nvirtual_board=1", "no option boards"),
        ("version = 5", "is not a configuration file"),
    ],
)
def test_files_that_contradict_themselves_are_refused(text, message, tmp_path):
    path = tmp_path / "mine.cfg"
    path.write_text(text)
    with pytest.raises(BackendError, match=message):
        read_machine(path)
