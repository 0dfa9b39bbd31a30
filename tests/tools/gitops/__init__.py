"""
The diff engines of Argo CD and Flux, from their Go modules, asked about workloads that the hub restarted.

``python -m gitops`` builds both, once for each version in ``go/*/go.mod``, beside the programs of
``localcluster``, starts an API server, and says what each finds. Cold it takes 260 seconds of one core.
"""
