"""
The second stage: TensorRT compiles the prepared model.

``stage`` is the run: the ``compiler`` of a ``request`` through a ``backend`` (``rtx``, or ``nvidia`` with the
``gpu`` of the node). ``configuring`` tells TensorRT the options (``applying``, ``checked_config``) and,
before strong typing, the types (``weak_typing``). Beside it ``libraries`` (plugins), ``timing`` (caches, and
``merging`` two), ``callbacks`` (what TensorRT calls back) and ``page_cache``.
"""
