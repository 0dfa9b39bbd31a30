"""
The first half of the first stage: is it a model TensorRT can express, and do its profiles fit?

The ``outline`` of a model with long lists in its nodes is asked first; ``inspection`` reads the file through
its ``skeleton`` (large ``weights`` stay where they are, in ``external`` files too),
with ``functions``, ``inference`` and ``leniency`` beside ONNX's own checker; ``expressible``, ``integers``
and ``plugin_nodes`` (by ``plugin_names``) ask what the wanted release takes; ``placeholders`` are no names of
dimensions, ``repeated`` outputs none of an engine's; ``profiles`` are held against the ``signature``, a
``shorthand`` filled in, and say which ``branches`` are taken (``foreseen`` from what is ``known``) and which
dimensions ``squeezes`` take away. TensorRT is not loaded.
"""
