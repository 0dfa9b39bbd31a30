"""
What happens to a pod that asks for engines when it is created: pure code behind the webhook.

What it asks for, as the contract reads its annotations -> ``injection`` (the JSON patch) -> ``review`` (the
answer to the API server). The parts of the patch: ``fetcher`` and its ``resources`` among the
``init_containers`` and ``meshes``, ``volumes``, ``image_volumes`` (engines that are mounted and
not downloaded), ``recipients`` (the containers that get engines) and
``scheduling`` (gate and affinity), written with ``json_patch``; ``serving`` asks whether the engines can be
served from the layout that the pod names. ``bounds`` and ``pod_shape`` are what they
take for a pod, ``author_warnings`` is what it is accepted with.
"""
