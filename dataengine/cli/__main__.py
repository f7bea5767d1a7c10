"""`python -m dataengine.cli`, where the command is not on the path: with torchrun."""

from dataengine.cli import main

main()
