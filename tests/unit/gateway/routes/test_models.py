"""A pushed model is read to the byte that was announced, and no further."""

import asyncio
import threading

import pytest

from ignition_hub.buckets.workers import Workers
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.gateway.routes.models import PART_BYTES, parts, started_upload


class Content:
    """A body that arrives in chunks."""

    def __init__(self, *chunks):
        self.left = list(chunks)

    async def readany(self):
        return self.left.pop(0) if self.left else b""


async def test_a_body_is_cut_into_parts_of_equal_size():
    content = Content(b"x" * PART_BYTES, b"x" * 10)

    assert [len(part) async for part in parts(content, PART_BYTES + 10)] == [PART_BYTES, 10]


async def test_a_body_of_more_than_was_announced_is_read_no_further():
    content = Content(b"1234", b"5", b"6")

    with pytest.raises(RequestError, match="more than the 4 bytes that the request announced") as refused:
        [part async for part in parts(content, 4)]

    assert refused.value.reason is Reason.ModelDigestMismatch
    assert content.left == [b"6"]


class SlowObjects:
    """Begins an upload when it is told to, and notes what is aborted."""

    def __init__(self):
        self.may_begin, self.aborted = threading.Event(), []

    def start_upload(self, key):
        self.may_begin.wait(5)
        return "upload-1"

    def abort_upload(self, key, upload_id):
        self.aborted.append((key, upload_id))


async def test_an_upload_that_begins_after_its_client_left_is_aborted():
    objects, quick = SlowObjects(), Workers(name="t", threads=1, waiting=1, deadline=5)
    pushing = asyncio.create_task(started_upload(quick, objects, "models/x"))
    await asyncio.sleep(0.01)

    pushing.cancel()
    await asyncio.sleep(0.01)
    objects.may_begin.set()
    with pytest.raises(asyncio.CancelledError):
        await pushing

    assert objects.aborted == [("models/x", "upload-1")]
    quick.close()
