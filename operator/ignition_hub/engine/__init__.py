"""The contract between the processes: what an engine is, how it is named, requested and described."""
