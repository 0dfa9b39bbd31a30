"""
The process around the routes: ``settings``, ``connections`` and ``bodies`` (how many, how large, how long),
``limits`` (who is too many), ``progress`` (of builds), ``metrics`` and ``draining`` (the end).
"""
