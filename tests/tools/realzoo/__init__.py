"""
Models of public packages through the builder: what the accuracy check says, and what other inputs say. ::

    python -m realzoo                                every case in every precision, as lines to watch
    python -m realzoo basic-pitch int8               some of them
    python -m realzoo docs/real-models.md            the page as well
    python -m realzoo check [CASE ...]               run each once in onnxruntime, no build

A ``case`` says what a model is and what its package gives it, ``catalogue`` has them all and ``supplies``
what their inputs are made of. A ``trial`` writes its ``samples``, builds it as a user does (``attempt``) and
holds what was compiled against what it was (``truth``, by ``arithmetic`` and ``answering``), each in one of
the ``processes``; ``judging`` says what a wrong pass is. What came out is kept (``outcome``) one by one in
``build/realzoo/outcomes.json``, so that a run that was cut goes on; what is kept is not built again until
that file is gone. ``page`` is for people.
"""
