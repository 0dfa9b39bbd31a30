"""
The cache of a node: pods that run beside each other fetch an engine from the store once.

A program of its own (``python -m ignition_hub.fetch.node_cache``), one pod a node, off by default. It has no
keys: a pod shows the URL that the gateway gave it, and gets what the store would give for that URL. What goes
wrong here costs time and nothing else: the fetcher verifies every byte, and goes to the store itself.

Read ``server`` (what is answered), ``proofs`` (who may have an engine), ``shelf`` (what is kept, and what has
to go), ``settings``.
"""
