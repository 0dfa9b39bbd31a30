"""
What the gateway knows of the cluster: ``callers`` (who is calling), ``tokens`` (what a token says of itself)
and ``views`` (engines, nodes and stores).
"""
