"""
Is what was made still the model? Asked of every conversion, and of the engine where an accuracy check is.

``proof`` is asked of a conversion, before it is compiled or meanwhile: ``runs`` are the models that it runs,
``rounding`` takes rounding out of one or puts it into another, ``distance`` is how far they are apart.

``stage``, the third of a build, runs accuracy and benchmark checks; the plan's ``header`` is always
checked. ``samples`` are the inputs: ``drawing`` makes the numbers, over what ``meaning`` finds out about
integers by the ``value_index`` of the graph. The ``reference`` runs them: ``emulation`` rewrites a model by
the ``kinds`` of its values so that a CPU computes what its types say, ``mapping`` hands over the weights,
and ``session`` is the one place where onnxruntime is set up. Where there is a GPU, ``execution`` runs the
engine over ``cuda``. ``accuracy`` compares, ``benchmark`` measures.
"""
