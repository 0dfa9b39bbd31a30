"""What a builder left unfinished is taken away, and never at the price of an engine."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from ignition_hub.gateway.artifacts.uploads import abort_uploads
from ignition_hub.store.errors import AccessDenied
from ignition_hub.store.objects import UnfinishedUpload

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Objects:
    """Unfinished uploads of one folder, in no order."""

    def __init__(self, *ages, refuses=False):
        self.uploads = [UnfinishedUpload("folder/x", str(age), NOON - timedelta(seconds=age)) for age in ages]
        self.refuses, self.aborted = refuses, []

    def unfinished_uploads(self, prefix):
        assert prefix == "folder/"
        if self.refuses:
            raise AccessDenied("the bucket does not permit list_multipart_uploads with these credentials")
        return self.uploads

    def abort_upload(self, key, upload_id):
        assert key == "folder/x"
        self.aborted.append(upload_id)


def aborted(objects, keep):
    abort_uploads(SimpleNamespace(objects=objects), "folder", keep=keep)
    return objects.aborted


def test_the_latest_uploads_stay():
    assert aborted(Objects(5, 1, 9), keep=1) == ["9", "5"]
    assert aborted(Objects(5), keep=1) == []
    assert aborted(Objects(), keep=1) == []
    assert aborted(Objects(5, 1), keep=0) == ["5", "1"]


def test_a_store_that_lists_no_uploads_stops_no_build(caplog):
    assert aborted(Objects(5, refuses=True), keep=0) == []

    assert "unfinished uploads of folder cannot be aborted" in caplog.text
