"""
The init container: puts the engine that fits this pod's GPU into the pod, verified, or says why not.

Standard library and the contract only. The gateway decides which engine fits (it knows the node from
the pod's token); this side moves the bytes and believes nothing but the digest.
"""
