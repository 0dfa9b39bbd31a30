"""
The engines that there are, as people look for them: one row for each model and GPU. Pure.

``rows`` makes them from TensorRTEngines, ``selection`` is what was asked for and finds it, ``cells`` says a
row in words. ``kubectl ignition catalog`` and the gateway show the same.
"""
