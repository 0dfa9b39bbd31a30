"""
The third stage: is the engine still the model? Only when gates were asked for, but for the plan's ``header``.

``stage`` is the run. ``samples`` are the inputs: ``drawing`` makes the numbers, over what ``meaning`` finds
out about integers by ``reading`` the graph. The ``reference`` runs them: ``emulation`` rewrites a model by
the ``kinds`` of its values so that a CPU computes what its types say, ``mapping`` hands over the weights, and
``session`` is the one place where onnxruntime is set up. Where there is a GPU, ``execution`` runs the engine
over ``cuda``. ``accuracy`` compares, ``benchmark`` measures.
"""
