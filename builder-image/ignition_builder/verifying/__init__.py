"""
The third stage: is the engine still the model? Only when gates were asked for, but for the plan's ``header``.

``stage`` is the run. ``samples`` are run by the ``reference`` (through ``emulation`` where bf16 has no
operators) and, where there is a GPU, by ``execution`` over ``cuda``; ``accuracy`` compares, ``benchmark``
measures.
"""
