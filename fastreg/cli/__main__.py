"""``python -m fastreg.cli``."""

from fastreg.cli import main

main()
