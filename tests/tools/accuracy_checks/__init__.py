"""
Trained networks through the accuracy check: on the CPU, and as engines on a GPU. ::

    python -m accuracy_checks                         all networks, all precisions, on the CPU, as a table
    python -m accuracy_checks ppocr-cls int8          some of them
    python -m accuracy_checks docs/accuracy.md        the page
    python -m accuracy_checks proofs                  how far a conversion is from its model, as a table
    python -m accuracy_checks export FOLDER           the networks with their inputs, for a GPU machine
    python -m accuracy_checks engines FOLDER OUT.json --flavor TensorRT [NETWORK PRECISION ...] [-- OPTIONS]
                                                      what the engines say, on that machine

``inputs`` draws numbers like a network's real ones and ``request`` says what is asked of it; ``cpu`` builds
and checks without a GPU, ``engines`` does with one, and ``page`` sets one beside the other.
"""
