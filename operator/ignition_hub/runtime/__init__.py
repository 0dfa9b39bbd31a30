"""
Engines in a serving process: verified, judged against this machine, loaded, and their inputs checked.

Standard library only; TensorRT is imported when the first engine is loaded.
"""
