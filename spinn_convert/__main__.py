"""python -m spinn_convert"""

from spinn_convert.cli.main import main

main()
