"""
Build the container images without a Docker daemon: ``python -m images build``.

Read ``recipe`` (what the images are), ``inputs`` (when one is built anew) and ``build`` (which makes an
archive of it that containerd imports). Their materials: ``base`` from Debian packages, ``wheels`` from the
pins, ``buildah`` for the Dockerfiles, which are the ordinary ones, so any other builder makes the same
images. ``records`` is what is built, ``paths`` where; ``cli``, ``report`` and ``errors`` are what a person
sees.
"""
