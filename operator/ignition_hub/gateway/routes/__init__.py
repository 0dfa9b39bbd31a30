"""
What is answered on which path.

* a builder's: ``builds`` and ``timing_cache``;
* a fetcher's: ``resolve``;
* a user's: ``models`` (``ignition push``);
* the API server's: ``mutate``;
* the controller's: ``store``;
* everybody's: ``probes``.
"""
