"""Text to model: YAML, schemas, templates. The only home of yaml, jsonschema and jinja2."""
