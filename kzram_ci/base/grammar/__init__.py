"""One grammar for every YAML file: text with positions, pydantic models, and errors as file:line:column.

A file's text becomes plain data that remembers its positions (`yaml_source`). A room that has a kind of file of its
own describes it by models on top of `strict` and `scalars`, which it imports late: pydantic is slow to import.
`validation` runs the data through a model; what is wrong is collected in `problems`, over several files, and reported
at once. `read` does all of this for one file. A new kind of file: a model with a description for every field, and a
row in the table of schemas (`kzram_ci.cli.schema`).
"""
