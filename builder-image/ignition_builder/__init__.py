"""
The builder: from a request to a verified engine, one process per build.

request → model → precision → compile → verify → publish. ``app`` is the run in a pod and its outermost
edge, ``pipeline`` the middle of it, which needs no cluster. In the order of a build:

* ``settings``, then ``hub`` for the request, the model and its ``files``; ``options`` (what it cannot honour
  is refused);
* ``stage_process`` and ``stage_main``: each stage in a process of its own; ``documents`` is what they hand
  over, ``report`` the pipe;
* first stage: ``checking`` looks at the model and ``precision`` gives it the types that were asked for;
* second stage: ``compiling``, through TensorRT or TensorRT-RTX;
* before that or meanwhile, of a model that was converted: ``proving`` has ``verifying`` prove it;
* third stage, if the request asks for verification: ``verification`` has ``verifying`` run them;
* ``facts`` with the ``environment`` for the manifest, and ``hub`` again to publish.

Meanwhile ``progress`` tells how far it is, ``journal`` keeps the log, ``memory`` who was killed.
"""

import os

# onnxruntime sends usage to its maker unless told not to before it is loaded; a tenant's model is nobody's
# business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
