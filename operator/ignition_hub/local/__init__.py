"""
Engines on one machine, without a cluster: what ``ignition_hub.library`` and the command line stand on.

Read ``provider`` first: local cache, then the artifacts store, then a build.

* ``resolution`` turns what a caller wrote into the same identity a cluster computes, by way of ``shapes``,
  ``options``, ``files``, ``fingerprint`` (which asks ``external_data``, ``links`` and ``digests``) and
  ``installed``: which TensorRT is here.
* ``cache`` is the tree on disk and ``engine`` what is taken from it; ``locking`` lets two processes build
  once, ``prune`` empties it, ``script_layout`` copies out of it.
* ``build`` runs the builder, on the model that ``model_folder`` brings, with the ``timing`` cache of this
  machine.
* ``artifacts`` reads from the store and ``upload`` writes to it, believing what ``keyring`` says.
* ``settings`` is the environment, ``errors`` what can go wrong.
"""
