"""The `seizurekit` command: one file for each group of subcommands."""
