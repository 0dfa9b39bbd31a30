"""
The S3 servers that tests run on: where each comes from, in which release, and what it does unlike Amazon S3.

``kinds`` is what a kind of server is; each has a module of its own, and ``table`` lists them; ``keeping``
gets their programs by the clients of the packages that they come in; ``server`` is one that runs.
``python -m stores build`` makes what is not there yet, in the user's cache folder: rclone takes 26 seconds
of one core. Tests start the server that ``IGNITION_TEST_STORE`` names (``tests/support/s3server.py``).
"""
