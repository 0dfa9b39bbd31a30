"""
The process around the passes: ``work_queue`` (each of the ``keys`` once, with back-off) in ``lanes``,
``leader_election``, ``counters``, ``metrics`` and ``exit_codes``.
"""
