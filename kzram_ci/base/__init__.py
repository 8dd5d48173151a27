"""The ground: errors, the clock (sole importer of `time`), processes (sole importer of `subprocess`), files and locks,
what a host needs and which package holds it.

Imports the standard library, filelock, platformdirs and pyelftools. What does not need to be known by every room does
not belong here.
"""
