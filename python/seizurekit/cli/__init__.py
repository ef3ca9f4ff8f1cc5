"""The `seizurekit` command, one file a group of subcommands."""
