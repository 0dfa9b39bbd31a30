"""
docs/reference/, generated: what users and operators look up, each line written beside the thing it is about.

``described`` reads those lines from the code, ``values`` from the chart; ``pages`` lays them out. A thing
without a line is refused by name, so that a page can never pass over it.
"""
