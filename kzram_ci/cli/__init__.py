"""The commands, one module each: options in, one call below, an exit code out.

May import every room. A new command is a module here with `add_parser` and a line in `main`.
"""
