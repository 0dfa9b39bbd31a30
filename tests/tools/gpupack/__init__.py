"""
Pack what a GPU machine without a package index needs to prove TensorRT, and run it there. ::

    python -m gpupack build/gpu 8.6.0 8.5.3.1                   the folder to carry over
    python -m gpupack build/gpu 8.6.0 --part-mib 55             in parts, where one file may not be larger
    sh run.sh                                                   over there, in that folder

``releases`` says which releases PyPI has whole. ``python`` packs an interpreter with the packages of the
tests, ``libraries`` a release with ``stubs`` for what it only names, ``project`` what is proven; ``archives``
writes and splits. ``run.sh`` is for the other side: it needs a shell, tar, xz and NVIDIA's driver.
"""
