"""
The process around the routes: ``settings``, ``limits`` (who is too many), ``progress`` (of builds),
``metrics`` and ``draining`` (the end).
"""
