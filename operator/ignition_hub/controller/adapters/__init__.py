"""
What the controller touches: ``cluster`` with its ``object_cache`` is Kubernetes, of which it knows what
``scopes`` says, and ``events`` are posted there; ``bucket`` is the store, with ``public_keys`` of the
gateway.
"""
