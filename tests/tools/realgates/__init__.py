"""
Trained networks through the accuracy gate: on the CPU, and as engines on a GPU. ::

    python -m realgates                         all networks, all precisions, on the CPU, as a table
    python -m realgates ppocr-cls int8          some of them
    python -m realgates docs/accuracy.md        the page
    python -m realgates proofs                  how far a conversion is from its model, as a table
    python -m realgates export FOLDER           the networks with their inputs, for a GPU machine
    python -m realgates engines FOLDER OUT.json --flavor TensorRT [NETWORK PRECISION ...] [-- BUILD OPTIONS]
                                                what the engines say, on that machine

``inputs`` draws numbers like a network's real ones and ``request`` says what is asked of it; ``cpu`` builds
and gates without a GPU, ``engines`` does with one, and ``page`` sets one beside the other.
"""
