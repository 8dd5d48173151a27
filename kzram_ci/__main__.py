"""`python -m kzram_ci` is `kzram-ci`."""

from kzram_ci.cli.main import entry

if __name__ == "__main__":
    entry()
