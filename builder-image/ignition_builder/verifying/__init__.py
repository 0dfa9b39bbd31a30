"""
The third stage: is the engine still the model? Only when gates were asked for, but for the plan's ``header``.

``stage`` is the run. The ``reference`` runs ``samples``: ``emulation`` rewrites a model by the ``kinds`` of
its values so that a CPU computes what its types say, ``mapping`` hands over the weights, and ``session`` is
the one place where onnxruntime is set up. Where there is a GPU, ``execution`` runs the engine over ``cuda``.
``accuracy`` compares, ``benchmark`` measures.
"""
