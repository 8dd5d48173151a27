"""What a boot means: evidence against expectation, the statistics behind it, and the exit code of a run.

Pure as a whole. May import base.errors and model only. A new rule is a row in `judge`, with a law in its property
tests.
"""
