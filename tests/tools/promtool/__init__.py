"""
promtool, which is how Prometheus itself checks rules and runs their tests, built from its Go module.

``python -m promtool build`` makes it, once for each version in ``go/go.mod``, beside the programs of
``localcluster``, and prints where it is. Cold it takes 270 seconds of one core: it is built without the
service discoveries, which no check of rules needs.
"""
