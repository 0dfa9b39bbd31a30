"""
The controller: observe, decide (pure), apply, one status write, then events.

Two files are the life of an engine, and enough for a first reading: ``reconciler``, one pass from what is
there to what is written, and ``policy.decide``, whose ``RULES`` say what happens when.

A pass begins with ``watches``. ``observe`` takes the snapshot, ``policy`` decides, ``apply`` makes it so. The
passes that are not about an engine are in ``passes``.

The folder says what a line may touch: ``policy`` nothing, ``adapters`` Kubernetes and the store, ``process``
the process itself. ``app`` wires everything.
"""
