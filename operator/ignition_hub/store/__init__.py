"""
The S3 side: objects, trust, and the one way to publish and to find an engine.

Read ``publish`` and ``find`` together: how an engine begins to exist, and when it is believed. ``trust`` is
what is signed, ``bundles`` a model with its external data, ``objects`` the bucket as a few verbs, ``client``
how S3 is called, ``settings`` an EngineStore and its Secret, ``errors`` how all of it fails. Key names are
those of ``engine.naming``; who may read what is in ``engine.sources``.
"""
