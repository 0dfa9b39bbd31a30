"""
What is decided, from a snapshot to a plan: pure, without a client and without a clock.

* ``views`` are the values; ``parsing`` fills those of resources, ``job_status`` says what a Job tells,
  ``resolution`` which engine a target wants and from which pool; ``ports`` is what has to be asked outside;
* ``decide`` holds the rules, with ``failed_builds`` (what is final, and what is tried again) and ``rebuild``
  (another build of what is published); ``build_queue`` says whose turn it is, in a pool and for an identity,
  ``engine_limit`` who is beyond the limit of a namespace;
* ``build_job`` is what a Job looks like, ``status`` what is told, and when that is worth a write;
  ``pool_status`` and ``store_status`` are what is told of BuildPools and EngineStores.
"""
