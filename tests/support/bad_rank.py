"""spinn-convert with ranks that do not do their work: bad_rank.py HOW FOLDER WORDS...

raise: rank 1 fails. sleep: all ranks write their process id into FOLDER, and sleep.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from spinn_convert.backends.reference import split
from spinn_convert.cli.main import main

how, folder = sys.argv[1], Path(sys.argv[2])
rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
whole = split._share


def bad(simulate, args, values, progress):
    """Stand for `split._share`."""
    if how == "raise" and rank == 1:
        raise MemoryError("not enough for rank 1")
    (folder / f"{rank}.pid").write_text(str(os.getpid()))
    for _ in range(1000 if how == "sleep" else 0):
        time.sleep(0.1)
        progress(0, 1)
    return whole(simulate, args, values, progress)


split._share = bad
sys.argv = ["spinn-convert", *sys.argv[3:]]
main()
