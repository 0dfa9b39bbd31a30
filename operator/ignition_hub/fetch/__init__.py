"""
The init container: puts the engine that fits this pod's GPU into the pod, verified, or says why not.

Standard library, the contract and ``wire`` only. The gateway decides which engine fits (it knows the node
from the pod's token); this side moves the bytes and believes nothing but the digest.

Read ``app`` (one run), ``gateway`` (which engine, and waiting for it), ``place`` (the final path holds the
whole engine or nothing), ``transfer`` (parallel ranges, one digest), ``beside`` (the layout of the
program that serves it), ``reporting`` (how it went). Below them:
``range_requests`` is one connection and ``arrivals`` when its reader is woken, ``part_schedule`` and
``chunk_pool`` are what the threads share, ``journal`` is what outlives a kill; ``budget`` is what all engines
share, ``node_source`` the cache of the node as this side sees it, and ``node_cache`` that cache, a program of
its own. ``settings`` and ``errors`` are the two edges.
"""
