"""
What the gateway reads and writes for others: ``grants`` (what a builder may read), ``upload_check`` (is this
what was asked for?), ``publishing`` (from an upload to a published engine) and ``verified_engines`` (which of
them pods are handed).
"""
