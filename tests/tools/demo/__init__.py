"""The demo: a story told on a real Kubernetes."""
