"""
What the gateway reads and writes for others: ``grants`` (what a builder may read), ``upload_check`` (is this
what was asked for?) and ``publishing`` (from an upload to a published engine).
"""
