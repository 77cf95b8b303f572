"""The meaning of registries.conf: parse, validate, merge, normalize, route, scope."""
