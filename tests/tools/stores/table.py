"""The S3 servers by name, and which of them CI runs tests on beside the usual one."""

from __future__ import annotations

from stores.ceph import CEPH
from stores.garage import GARAGE
from stores.gofakes3 import GOFAKES3
from stores.moto import MOTO
from stores.rclone import RCLONE
from stores.s3mock import S3MOCK
from stores.s3proxy import S3PROXY
from stores.s3rver import S3RVER
from stores.s3s_fs import S3S_FS
from stores.seaweedfs import SEAWEEDFS
from stores.versitygw import BY_ITS_DEFAULTS, ONE_AT_A_TIME

USUAL = ONE_AT_A_TIME
"""What tests start where nothing else is asked for."""
BESIDE = (BY_ITS_DEFAULTS, MOTO, RCLONE)
"""What ``make test-stores`` runs tests on besides."""
CHOSEN_BY = "IGNITION_TEST_STORE"
"""The variable that names the server which tests start."""
OUTSIDE = (SEAWEEDFS, S3PROXY, GARAGE, CEPH, GOFAKES3, S3MOCK, S3S_FS, S3RVER)
"""What is asked by hand besides: they take long to build, or need what CI does not have."""
SERVERS = {kind.name: kind for kind in (USUAL, *BESIDE, *OUTSIDE)}
