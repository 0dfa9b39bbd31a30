"""
The controller: observe, decide (pure), apply, one status write, then events.

Two files are the life of an engine, and enough for a first reading: ``reconciler``, one pass from what is
there to what is written, and ``decide``, whose ``RULES`` say what happens when. Then, in the order of a
pass:

* wake: ``watching`` (kopf's watches), ``passes`` (what a pass may be about) and ``queue`` (each key once,
  with back-off);
* observe: ``reading`` (resources), ``observe`` (all of it), ``wanting`` (which engine, from which pool),
  ``job_state`` (what a Job says); the values are ``views``;
* decide: ``decide``, with ``rebuild`` (another build of what is published), then ``slots`` (whose turn it is
  in a pool);
* apply: ``apply``, and ``jobs`` (what a Job looks like);
* tell: ``status`` (the conditions, and when they are worth a write) and ``events``;
* remember: ``demand`` (who waits for which identity).

Two passes are not about an engine: ``gates`` lets pods go when their engines are ready, ``collect`` deletes
the Jobs nobody waits for.

Outside of it: ``cluster`` with its ``mirror`` is Kubernetes, ``world`` the rest as protocols, which
``bucket`` and ``keys`` fulfil; ``app`` wires everything to one process that ``lease`` lets lead and
``health`` shows.
"""
