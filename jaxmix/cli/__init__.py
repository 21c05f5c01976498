"""The `jaxmix` command: one file a subcommand, each a dataclass that says what it takes."""
