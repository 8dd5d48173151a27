"""Whether what a command printed with --json is what its schema says, down to the last key."""

from typing import Any

import jsonschema

from kzram_ci.cli import answers


def closed(schema: Any) -> Any:
    """The same schema, in which a key that it does not name is an error."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(one) for name, one in schema.items()}
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


def check(name: str, data: Any) -> None:
    schema = closed(answers.schema_of(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema, jsonschema.Draft202012Validator)
