"""The builder: from a request to a verified engine, one process per build."""
