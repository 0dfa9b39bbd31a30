"""Logs are for machines: one JSON object a line."""

import json
import logging

from ignition_hub.logs import JsonLines


def test_a_log_line_is_json_with_its_extra_fields():
    record = logging.makeLogRecord({"msg": "hello %s", "args": ("you",), "levelname": "INFO", "job": "j1"})

    line = json.loads(JsonLines().format(record))

    assert (line["message"], line["level"], line["job"]) == ("hello you", "info", "j1")
