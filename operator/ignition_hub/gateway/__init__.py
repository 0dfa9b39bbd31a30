"""
The HTTPS service that hands out short-lived URLs, signs engines and answers admission; stateless.

``app`` is the table of contents: which path is answered where. Each path has a file of a few lines:

* a builder's: ``builds``, with ``granting`` (what it may read), ``completion`` (from an upload to a
  published engine), ``timing`` (the timing cache) and ``progress``;
* a fetcher's: ``resolve``, with ``matching`` (which target's engine this GPU gets);
* a user's: ``models`` (``ignition push``);
* the API server's: ``mutate``, with the pure package ``admission``;
* everybody's: ``probes`` and ``metrics``.

All of them ask ``callers`` who is there, read ``documents`` strictly, work with ``services`` (``stores``,
``workers`` and ``places`` among them), and leave trouble to ``errors``, the edge. ``settings``, ``server``
and ``life`` are how the process begins, listens and ends.
"""
