"""Lets `python -m seizurekit` do the same as `seizurekit`."""

from seizurekit.cli.app import main

main()
