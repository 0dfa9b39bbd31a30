"""
The bucket as the hub's two processes hold it: controller and gateway alike.

``default_store`` is the EngineStore in use with its Secret, followed as both change; ``workers`` the threads
that the synchronous verbs of ``store.objects`` run in; ``breaker`` what stands before a store that is away;
``troubles`` which reason of an EngineStore an error of its bucket is.
"""
