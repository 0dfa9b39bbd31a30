"""
The stage that the demo and the end-to-end tests play on: a cluster with the hub installed.

``local`` makes one and ``current`` takes the one somebody has; ``hub`` installs the chart, ``tenant`` acts
as a user (``models`` to push, a ``workload`` to deploy), ``processes`` kills. All of it through
``kubectl``.
"""
