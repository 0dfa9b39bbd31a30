"""
The process around the routes: ``settings``, ``certificate``, ``connections`` and ``bodies`` (how many, how
large, how long), ``limits`` (who is too many), ``slow_refusals`` (of tokens), ``progress`` (of builds),
``metrics``, ``draining`` (the end) and ``exit_codes``.
"""
