"""
The passes that are not about an engine: ``pod_gate`` lets pods go when their engines are ready,
``job_cleanup`` deletes the Jobs that no engine needs, ``build_pools`` and ``engine_stores`` write what the
platform team reads of its pools and stores, ``storage_report`` is what namespaces use of their quotas,
``rollouts`` restarts pods whose engines were replaced.
"""
