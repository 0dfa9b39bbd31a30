"""
The registry of the CNCF distribution project, built from its Go module: what tests push engines to.

``python -m ociregistry build`` makes it, once for each version in ``go/go.mod``, beside the programs of
``localcluster``, and prints where it is. Cold it takes 50 seconds of one core.
"""
