"""
The real Python bindings of every TensorRT line, read without a GPU.

NVIDIA publishes the bindings as wheels of about a megabyte. They import over stub libraries, and what they
then show (classes, properties, enumerations) is kept here as one inventory for each release. Unit tests hold
the builder and its tables against them: ``tests/unit/tools/bindings``. Task: ``make bindings``.
"""
