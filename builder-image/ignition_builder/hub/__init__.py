"""
The builder's side of the hub: what it asks the gateway, what it brings, and what it publishes.

``gateway`` makes the calls; ``inputs`` brings the model and its files, each by ``download``;
``progress_reporter`` tells how far the build is; ``publishing`` sends the engine by ``upload``;
``timing_store`` keeps what TensorRT measured for the next build.
"""
