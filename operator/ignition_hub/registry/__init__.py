"""
Engines as images in an OCI registry of the platform team's, for pods that mount them (KEP 4639).

``image`` says what such an image is, to the byte (pure) -> ``settings`` where it goes and who may write there
-> ``client`` speaks to the registry (``challenge`` is how one asks who is there) -> ``push`` puts an engine
there, once. Standard library only, over ``wire``.
"""
