"""The stage that the demo and the end-to-end tests play on: a cluster with the hub installed."""
