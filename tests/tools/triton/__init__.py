"""
Triton's own judges of a model repository: its server, and the schema of its configurations.

``python -m triton build`` fetches both, once for each version in ``requirements/triton.txt``, into the user's
cache folder: the server of the package ``nvidia-pytriton`` (55 MB), and the schema that ``tritonclient`` has.
What they depend on is not installed: the server is a program, the schema one module.

The server has no TensorRT backend. A stand-in of that name is compiled, which takes every model and runs
none: what is judged is what Triton itself reads, checks and completes before a backend sees a model.
"""
