"""
The builder: from a request to a verified engine, one process per build.

request → model → precision → compile → verify → publish. ``app`` is the run in a pod and its outermost
edge, ``building`` the middle of it, which needs no cluster. In the order of a build:

* ``settings``, ``gateway`` (the request), ``arriving`` (the model and its ``files``, each by ``download``),
  ``options`` (what it cannot honour is refused);
* ``spawn`` and ``child``: each stage in a process of its own; ``work`` is what they hand over, ``report``
  the pipe;
* first stage, ``checking``: ``inspection``, ``profiles``, ``precision`` with ``narrowing``, ``skeleton`` and
  ``weights``;
* second stage, ``compiling``: the ``compiler`` of an ``order`` through a ``backend`` (``rtx``, ``nvidia``,
  ``gpu``); ``configuring`` tells TensorRT the options (``applying``, ``settled``) and, before strong
  typing, the types (``weakly``); beside it ``libraries`` (plugins), ``timing``, ``bridge``, ``messages`` and
  ``pages``;
* third stage, if gates were asked for: ``verifying``;
* ``verification`` (the plan's header), ``facts`` with the ``environment``, ``upload`` and ``publishing``;
* around the second stage ``timing_store``, and ``merging`` where two builds measured at once.

Meanwhile ``progress`` and ``courier`` tell how far it is, ``journal`` keeps the log, ``memory`` who was
killed.
"""

import os

# onnxruntime sends usage to its maker unless told not to before it is loaded; a tenant's model is nobody's
# business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
