"""
Every model of the ``onnx`` package through the real builder, and models nobody should ever push.

``python -m zoo`` builds all of them with TensorRT-RTX and writes ``docs/models.md``; ``python -m zoo fuzz``
mutates them. What may come out is an engine or a refusal with a reason; anything else is a failure.
"""
