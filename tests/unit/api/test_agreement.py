"""The API's schema and the contract name the same things; each is written by hand, so this proves it."""

import re
from typing import get_args

from ignition_hub.api import schema
from ignition_hub.api.v1alpha1 import pool
from ignition_hub.compatibility.support_matrix import RTX_ARCHS
from ignition_hub.engine.identity import COMPATIBILITIES, FLAVORS, PRECISIONS


def test_the_api_knows_the_precisions_of_the_contract():
    assert get_args(schema.Precision) == PRECISIONS


def test_the_api_knows_the_flavors_of_the_contract():
    assert set(get_args(schema.Flavor)) == set(FLAVORS)


def test_the_api_knows_the_compatibilities_of_the_contract():
    assert set(get_args(schema.Compatibility)) == set(COMPATIBILITIES)


def test_a_pool_may_compile_ahead_of_time_exactly_for_what_rtx_compiles():
    archs = pool.AheadOfTime.model_json_schema(by_alias=True)["properties"]["archs"]

    assert str(list(RTX_ARCHS)) in archs[schema.VALIDATIONS][0]["rule"]
    assert re.findall(r"sm_\d+", archs[schema.VALIDATIONS][0]["message"]) == list(RTX_ARCHS)
