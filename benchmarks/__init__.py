"""Figures of the README: each module measures some, beside a peer or a limit.

python -m benchmarks.rounding_by_layer        # from the root of the checkout; exit code 1 where
python -m benchmarks.rounding_by_layer -h     # a claim falls short
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples")]  # networks, and how they are trained
