"""
What the gateway knows of the cluster: ``callers`` (who is calling) and ``views`` (engines, nodes and stores).
"""
