"""`python -m gateway` is the command `thriftgate`."""

from gateway.cli import main

main(prog_name="thriftgate")
