"""
Models out of public packages through the builder: what the gate says, and whether real inputs agree. ::

    python -m realzoo                                every case, every precision, and a summary
    python -m realzoo basic-pitch int8               some of them
    python -m realzoo docs/real-models.md            the page

A ``case`` says what a model is and what its package gives it; ``catalogue`` has them all.
"""
