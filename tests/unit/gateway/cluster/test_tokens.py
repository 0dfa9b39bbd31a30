"""A token's own words: what this cluster did not sign for us, or no longer, never reaches the API server."""

import asyncio
import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ignition_hub.gateway.cluster.callers import bearer_token
from ignition_hub.gateway.cluster.tokens import Claims, ForeignToken, TokenCheck
from ignition_hub.gateway.errors import TokenRejected
from ignition_hub.kube import Forbidden
from mutants import COUNT, of_bytes, of_document, survey

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
STRANGE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(key, algorithm, kid):
    of = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**of.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": algorithm, "use": "sig"}


class FakeKube:
    """Publishes keys and counts how often they are read."""

    def __init__(self, *keys):
        self.keys, self.reads = list(keys), 0

    async def token_keys(self):
        self.reads += 1
        if not self.keys:
            raise Forbidden(403, "forbidden")
        return {"keys": self.keys}


def token(key=RSA, kid="one", algorithm="RS256", **changes):
    now = int(time.time())
    claims = {
        "aud": ["ignition-hub"],
        "exp": now + 86_400,  # made when tests are collected, used much later
        "nbf": now,
        "iat": now,
        "iss": "https://kubernetes.default.svc",
        "kubernetes.io": {"namespace": "vision", "pod": {"name": "p", "uid": "u"}},
        **changes,
    }
    return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)


@pytest.fixture
def kube():
    return FakeKube(jwk(RSA, "RS256", "one"), jwk(EC, "ES256", "two"))


@pytest.mark.parametrize("good", [token(), token(EC, "two", "ES256"), token(aud="ignition-hub")])
async def test_a_token_of_this_cluster_tells_its_namespace(kube, good):
    assert await TokenCheck(kube).claims_of(good) == Claims("vision")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("junk", "Not enough segments"),
        ("a.b.c", "Invalid header"),
        (token(STRANGE), "Signature verification failed"),
        (token(STRANGE, kid="three"), "not signed by this cluster"),
        (token(kid=None), "not signed by this cluster"),
        (token(aud=["other"]), "Audience doesn't match"),
        (token(exp=int(time.time()) - 120), "expired"),
        (token(nbf=int(time.time()) + 80_000), "not yet valid"),
        (jwt.encode({"aud": "ignition-hub"}, None, "none", headers={"kid": "one"}), "not allowed"),
        (token(EC, "one", "ES256"), "does not match the key's algorithm"),
    ],
)
async def test_a_token_that_is_none_of_ours_is_refused_and_told_why(kube, bad, why):
    with pytest.raises(TokenRejected, match=why):
        await TokenCheck(kube).claims_of(bad)


@pytest.mark.parametrize(
    ("bad", "is_foreign"),
    [
        ("junk", True),
        (token(STRANGE, kid="three"), True),
        (token(kid=None), True),
        (token(STRANGE), False),
        (token(aud=["https://kubernetes.default.svc"]), False),
        (token(exp=int(time.time()) - 120), False),
    ],
)
async def test_what_this_cluster_issued_for_others_is_never_taken_for_a_persons(kube, bad, is_foreign):
    with pytest.raises(TokenRejected) as refused:
        await TokenCheck(kube).claims_of(bad)

    assert isinstance(refused.value, ForeignToken) is is_foreign


async def test_the_keys_are_read_once_and_again_for_an_unknown_one_but_not_for_each(kube):
    check = TokenCheck(kube)
    await check.claims_of(token())
    await check.claims_of(token())
    assert kube.reads == 1

    for kid in ("three", "four", "five"):
        with pytest.raises(TokenRejected):
            await check.claims_of(token(STRANGE, kid))
    assert kube.reads == 2


async def test_a_new_key_of_the_cluster_is_found(kube):
    check = TokenCheck(kube)
    await check.claims_of(token())
    kube.keys.append(jwk(STRANGE, "RS256", "three"))

    assert await check.claims_of(token(STRANGE, "three")) == Claims("vision")


async def test_where_no_keys_are_published_the_api_server_judges():
    kube = FakeKube()

    assert await TokenCheck(kube).claims_of("junk") is None


async def test_clocks_may_differ_by_a_little(kube):
    early = token(nbf=int(time.time()) + 30)

    assert await TokenCheck(kube).claims_of(early) == Claims("vision")


async def test_a_token_that_is_bound_to_nothing_is_of_no_namespace(kube):
    assert await TokenCheck(kube).claims_of(token(**{"kubernetes.io": None})) == Claims("")


async def test_a_failure_to_read_the_keys_is_remembered_for_seconds_and_not_for_minutes():
    kube = FakeKube()
    check = TokenCheck(kube)
    for _ in range(5):
        assert await check.claims_of("junk") is None
    assert kube.reads == 2

    kube.keys.append(jwk(RSA, "RS256", "one"))
    check._renewed.forget("keys")  # as after ten seconds

    with pytest.raises(TokenRejected):
        await check.claims_of("junk")
    assert await check.claims_of(token()) == Claims("vision")


def segment(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed(head, claims):
    """Return a token with any head and claims, signed by the cluster."""
    content = segment(head) + b"." + segment(claims)
    return (content + b"." + segment(RSA_ALGORITHM.sign(content, RSA))).decode()


RSA_ALGORITHM = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
HEAD = {"alg": "RS256", "kid": "one", "typ": "JWT"}
CLAIMS = jwt.decode(token(), options={"verify_signature": False})


def heads(seed):
    """Yield tokens with a mutant for a head, which anybody can send."""
    rest = token().partition(".")[2].encode()
    return (segment(head) + b"." + rest for head in of_document(HEAD, seed))


def said_by(check, runner):
    """Return how a token is read as it arrives: in a header, whose bytes may be anything."""

    def read(data):
        header = {"Authorization": f"Bearer {data.decode('utf-8', 'surrogateescape')}"}
        return runner.run(check.claims_of(bearer_token(header)))

    return read


@pytest.mark.parametrize("tokens", [heads, lambda seed: of_bytes(token().encode(), seed)])
def test_every_mutant_of_a_token_is_refused_or_says_what_was_signed(tokens):
    check = TokenCheck(FakeKube(jwk(RSA, "RS256", "one"), jwk(EC, "ES256", "two")))

    def says_the_same(_, claims):
        assert claims == Claims("vision")

    with asyncio.Runner() as runner:
        read = said_by(check, runner)
        found = survey("token", 51, tokens(51), read, says_the_same, refusals=TokenRejected)

    assert found.shown == COUNT


def test_every_mutant_of_claims_that_the_cluster_signed_is_refused_or_tells_the_namespace_in_them():
    check = TokenCheck(FakeKube(jwk(RSA, "RS256", "one")))
    head = json.dumps(HEAD).encode()

    def tells_the_namespace(data, claims):
        bound = json.loads(data).get("kubernetes.io")
        said = bound.get("namespace") if isinstance(bound, dict) else None
        assert claims == Claims(said if isinstance(said, str) else "")

    with asyncio.Runner() as runner:
        read = said_by(check, runner)
        mutants = of_document(CLAIMS, 52)
        found = survey(
            "claims",
            52,
            mutants,
            lambda data: read(signed(head, data).encode()),
            tells_the_namespace,
            refusals=TokenRejected,
        )

    assert found.accepted > 0
    assert found.shown == COUNT
