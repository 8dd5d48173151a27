"""The ground: errors, the clock (sole importer of `time`), processes (sole importer of `subprocess`), files and locks,
the grammar of YAML files, the library, what a host needs and which package holds it.

Imports the standard library, filelock, platformdirs, and, late, pydantic, PyYAML and pyelftools. What only some rooms
need to know does not belong here.
"""
