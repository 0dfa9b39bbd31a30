"""
The compatibility table: which pool builds what is asked, and which GPU loads what was built.

Pure, standard library and contract only. Everything that chooses asks it, so a cluster, a laptop and the
documentation say the same. Read in this order:

* ``verdict``: the truth table of building, with its ``build_rules`` and ``option_rules``, the ``case`` they
  look at, and the ``support_matrix`` and ``options`` (rows are ``option_row``) they cite;
* ``loading``: the truth table of loading, with ``runtimes`` (which one reads which version), ``description``
  (where an engine loads, for people) and ``load_errors`` (what TensorRT says when it does not);
* ``spelling`` (one name for a product), ``gpus`` (what labels tell), ``pod_request`` and ``devices`` (what a
  pod asks for and was given), and ``inventory`` (which GPU it got, or why that cannot be known);
* ``spelling`` (one name for a product), ``gpus`` (what labels tell), ``pod_request`` and ``devices`` (what a
  pod asks for and was given), and ``inventory`` (which GPU it got, or why that cannot be known);
* ``readiness`` and ``placement`` (where a pod may go: ``node_terms``, and ``waiting_terms`` while it waits),
  and ``engine_choice`` (which target's engine a GPU gets);
* ``tenants``: which queue, priority class and share a namespace's builds have in a pool.
"""
