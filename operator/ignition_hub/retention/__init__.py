"""
What the store keeps and what is taken out of it: deciding (pure), and the client that has it done.

Read ``rules``, which decide, with ``engines``, the longest of them; ``plan`` is what they say, ``layout``
what lies in the store, ``demand`` what resources and pods use, ``durations`` the ``spec.retention`` of the
EngineStore. The gateway carries plans out, page by page: ``documents`` is what it is asked and answers.
``run`` asks for one page after another, for ``kubectl ignition prune`` and for ``__main__``, which the
chart's CronJob runs.
"""
