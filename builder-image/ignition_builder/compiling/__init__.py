"""
The second stage: TensorRT compiles the prepared model.

``stage`` is the run: the ``compiler`` of an ``order`` through a ``backend`` (``rtx``, or ``nvidia`` with the
``gpu`` of the node). ``configuring`` tells TensorRT the options (``applying``, ``settled``) and, before
strong typing, the types (``weakly``). Beside it ``libraries`` (plugins), ``timing`` (caches, and ``merging``
two), ``bridge`` (what TensorRT calls back) and ``pages``.
"""
