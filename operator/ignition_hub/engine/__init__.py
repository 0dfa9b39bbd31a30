"""
The contract between the processes: what an engine is, how it is named, requested and described.

Every process carries it, so it imports the standard library only. Read in this order:

* ``identity`` (what makes two engines the same; ``canonical`` is the spelling, ``fingerprint`` the model's
  part of it), ``naming`` (what follows from it: files, Jobs, keys) and ``names`` (what never changes: labels,
  annotations, the scheduling gate, paths in pods) with ``environment`` (variables of pods) and
  ``pod_annotations`` (what a pod's author may ask for);
* ``request`` and ``manifest``: what a builder is asked for (``pinned``: with which other files) and what it
  made (``fields`` reads both strictly, ``type_names`` has the words for types); ``timing_cache``: whose
  measurements it may use; ``sources``: what may be read for whom; ``store_findings``: what a gateway found
  of the bucket in use;
* ``plan_header`` (of an engine), ``protobuf`` (how a model lies in its file) and ``file_kinds`` (what is
  neither): bytes, looked at before any library does;
* ``enums``: words that are a type; ``state``: where a target stands; ``warnings``: what a build may warn of,
  by code; ``errors``: every reason, every exit code, one tree; ``quoting``: what may be quoted to people.
"""
