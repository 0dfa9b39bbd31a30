"""
Engines on one machine, without a cluster: what ``ignition_hub.library`` and the command line stand on.

Read ``workshop`` first: local cache, then the artifacts store, then a build. ``order`` turns what a caller
wrote into the same identity a cluster computes, ``options`` and ``digests`` are parts of that; ``cache`` is
the tree on disk, ``locking`` lets two processes build once, ``artifacts`` and ``upload`` speak to the store,
``making`` runs the builder, ``installed`` says which TensorRT is here, ``settings`` reads the environment.
"""
