"""
What the gateway reads and writes for others: ``grants`` (what a builder may read), ``upload_check`` (is this
what was asked for?), ``uploads`` and ``publishing`` (from the first part to a published engine),
``engine_query``, ``engine_search`` and ``verified_engines`` (which of them pods are handed) and
``storage_quotas`` (is there room for more?).
"""
