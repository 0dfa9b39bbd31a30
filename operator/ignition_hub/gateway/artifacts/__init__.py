"""
What the gateway reads and writes for others: ``stores`` (which bucket), ``grants`` (what a builder may read)
and ``publishing`` (from an upload to a published engine).
"""
