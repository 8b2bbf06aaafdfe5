"""python -m spinn_convert"""

from spinn_convert.cli import main

main()
