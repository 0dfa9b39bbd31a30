"""
What a serving program finds beside an engine: its own kind of folder or configuration, made of the manifest.

Pure, standard library and contract only: the fetcher writes what is made here, and admission asks whether it
can be made. Read ``table`` (every layout), ``served`` (an engine as serving programs see it), then the
layouts: ``triton`` (with ``text_format``, in which its configuration is written), ``deepstream``
and ``epcontext`` (with ``protobuf_writer``, for its ONNX model).
"""
