"""The controller: observe, decide (pure), apply, one status write, then events."""
