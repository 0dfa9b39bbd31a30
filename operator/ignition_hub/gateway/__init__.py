"""
The HTTPS service that hands out short-lived URLs, signs engines and answers admission; stateless.

``app`` is the table of contents: which path is answered where. Each path has a file of a few lines in
``routes``; behind them are ``artifacts`` (what is read and published) and the pure package ``admission``.

All of them ask ``cluster`` who is calling and what there is, read ``documents`` strictly, work with
``services``, and leave trouble to ``errors``, the edge. ``server`` listens; ``process`` is how the process
begins, is limited, is measured and ends.
"""
