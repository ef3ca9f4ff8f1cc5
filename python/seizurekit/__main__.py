"""`python -m seizurekit` does what `seizurekit` does."""

from seizurekit.cli.app import main

main()
