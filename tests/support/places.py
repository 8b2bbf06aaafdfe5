"""Where the files of the checkout are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
BOARDS = ROOT / "boards"
