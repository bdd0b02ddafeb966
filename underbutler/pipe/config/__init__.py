"""A task's configuration: fields by path, values as literals, ordered overrides, and the config of a job."""
