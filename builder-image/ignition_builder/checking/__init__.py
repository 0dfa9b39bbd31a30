"""
The first half of the first stage: is it a model TensorRT can express, and do its profiles fit?

The ``outline`` of a model with long lists in its nodes is asked first; ``inspection`` reads the file through
its ``skeleton`` (large ``weights`` stay where they are, in ``external`` files too), with ``functions``,
``inference`` and ``checker_exceptions`` beside ONNX's own checker; ``expressible``, ``integers`` and
``plugin_nodes`` (by ``plugin_names``) ask what the wanted release takes. ``placeholders`` and
``duplicate_outputs`` go. ``profiles`` are held against the ``signature``, a ``shorthand`` filled in, and
``shape_check`` sends their usual shapes through the model; they say which ``branches`` are taken
(``static_branches``, by ``constant_folding``) and which dimensions ``squeezes`` take away. TensorRT is not
loaded.
"""
