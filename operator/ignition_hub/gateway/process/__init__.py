"""
The process around the routes: ``settings``, ``workers`` (threads for the store, bounded), ``limits`` (who is
too many), ``progress`` (of builds), ``metrics`` and ``draining`` (the end).
"""
