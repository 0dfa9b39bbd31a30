"""The S3 servers by name, and which of them CI runs tests on beside the usual one."""

from __future__ import annotations

from stores.moto import MOTO
from stores.rclone import RCLONE
from stores.versitygw import BY_ITS_DEFAULTS, ONE_AT_A_TIME

USUAL = ONE_AT_A_TIME
"""What tests start where nothing else is asked for."""
BESIDE = (BY_ITS_DEFAULTS, MOTO, RCLONE)
"""What ``make test-stores`` runs tests on besides."""
CHOSEN_BY = "IGNITION_TEST_STORE"
"""The variable that names the server which tests start."""
SERVERS = {kind.name: kind for kind in (USUAL, *BESIDE)}
