"""
The API as the cluster sees it: three kinds, their rules, and the CRDs generated from them.

``v1alpha1`` holds the pydantic models, ``crd`` writes ``crds/`` from them, ``convert`` turns them into the
contract's dataclasses. Pydantic goes no further than this package.
"""
