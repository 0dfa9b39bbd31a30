"""The S3 side: objects, who may read what, trust, and the one way to publish and to find an engine."""
