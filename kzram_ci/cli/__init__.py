"""Layer 6: the command line; one file a command, each turns words into one call and an exit code."""
