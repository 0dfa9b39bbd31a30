"""
Build the container images without a Docker daemon: ``python -m images build``.

``recipe`` says what the images are, ``build`` makes those whose inputs changed, each as an archive that
containerd imports. The Dockerfiles are the ordinary ones, so any other builder makes the same images.
"""
