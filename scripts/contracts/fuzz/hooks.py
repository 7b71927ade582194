"""Acts as one role of the platform: logs in, signs deliveries, and puts values that exist into valid requests.

Loaded by Schemathesis (SCHEMATHESIS_HOOKS). SKELDIR_FUZZ_SETTINGS names the JSON file that run.ts has written: the base
URL, the actor of provision.ts, the entries of narrowed.json, and the operations by label (`GET /x/{id}`).
"""

import atexit
import base64
import datetime
import hashlib
import hmac
import json
import os
import time
import uuid
import zlib

import requests
import schemathesis
from requests.auth import AuthBase
from schemathesis.core.parameters import ParameterLocation

with open(os.environ["SKELDIR_FUZZ_SETTINGS"], encoding="utf-8") as _file:
    SETTINGS = json.load(_file)
ACTOR = SETTINGS["actor"]
USER_ROLES = ("viewer", "manager", "admin")
# Below the 900 s that an access token lives.
LOGIN_EVERY_S = 600
# When they succeed, the token of the call may be good for nothing.
ENDING_SESSIONS = ("logout", "revokeSession", "adminRevokeTokensBefore", "adminUpdateMembershipRole")
# An actor that leaves its tenant, or changes its role, has nothing more to try.
CHANGING_MEMBERS = ("removeMember", "adminUpdateMembershipRole")
# Wider windows of days are refused by the operations that take them.
MAX_DAYS = 90
# Each method that an operation does not have is another case.
METHODS = 10


def operation_of(label):
    return SETTINGS["operations"].get(label)


def schemes_of(operation):
    """Names of the security schemes of an operation, those of all alternatives."""
    row = operation_of(operation.label)
    return {scheme for alternative in row["security"] for scheme in alternative} if row else set()


# --- Credentials -----------------------------------------------------------------------------------------------------


def uses(*schemes):
    return lambda ctx: any(scheme in schemes for scheme in schemes_of(ctx.operation))


# Of the actor: empty until it has logged in, and after its session may have ended.
SESSION = {}
# All that it had.
TOKENS = set()


def log_in():
    credentials = {name: ACTOR[name] for name in ("email", "password", "tenant")}
    while True:
        answer = requests.post(SETTINGS["url"] + "/api/auth/login", json=credentials, timeout=30)
        # Trying wrong passwords is part of the run, and they come from the same address.
        if answer.status_code == 429:
            time.sleep(int(answer.headers["Retry-After"]))
            continue
        answer.raise_for_status()
        return answer.json()["access_token"]


def current_token():
    if not SESSION or time.monotonic() - SESSION["since"] > LOGIN_EVERY_S:
        SESSION.update(token=log_in(), since=time.monotonic())
        TOKENS.add(SESSION["token"])
    return SESSION["token"]


if ACTOR["role"] in USER_ROLES:

    # Kept here, not by Schemathesis: some operations end the session.
    @schemathesis.auth(refresh_interval=None).apply_to(uses("bearerAuth"))
    class Login:
        def get(self, case, ctx):
            return current_token()

        def set(self, case, data, ctx):
            case.headers["Authorization"] = "Bearer " + data


if ACTOR["role"] == "key":

    @schemathesis.auth(refresh_interval=None).apply_to(uses("tenantKey"))
    class Key:
        def get(self, case, ctx):
            return ACTOR["api_key"]

        def set(self, case, data, ctx):
            case.headers["X-Skeldir-Tenant-Key"] = data


def sign_stripe(secret, body):
    """https://docs.stripe.com/webhooks#verify-manually"""
    now = str(int(time.time()))
    digest = hmac.new(secret, now.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={now},v1={digest}"}


def sign_shopify(secret, body):
    """https://shopify.dev/docs/apps/build/webhooks/subscribe/https#step-2-validate-the-origin-of-your-webhook"""
    digest = hmac.new(secret, body, hashlib.sha256).digest()
    return {"X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode()}


SIGNERS = {"stripeSignature": ("stripe", sign_stripe), "shopifySignature": ("shopify", sign_shopify)}


class Signed(AuthBase):
    """Signs the very bytes that are sent: requests calls this after it has made the body."""

    def __init__(self, secret, sign):
        self.secret, self.sign = secret, sign

    def __call__(self, request):
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode("utf-8")
            request.body = body
        request.headers.update(self.sign(self.secret, body))
        return request


if ACTOR["role"] == "vendor":

    @schemathesis.auth(refresh_interval=None).apply_to(uses(*SIGNERS))
    class Vendor:
        def get(self, case, ctx):
            return next(SIGNERS[scheme] for scheme in sorted(schemes_of(ctx.operation)) if scheme in SIGNERS)

        def set(self, case, data, ctx):
            vendor, sign = data
            case._auth = Signed(ACTOR["endpoints"][vendor]["secret"].encode(), sign)
            if "tenantKey" in schemes_of(ctx.operation):
                case.headers["X-Skeldir-Tenant-Key"] = ACTOR["api_key"]


# --- Values that exist -----------------------------------------------------------------------------------------------


def pick(case, name, of):
    """A number below `of` that is the same in every run with the same seed."""
    return zlib.crc32(f"{name} {case.path_parameters} {case.query} {case.body!r}".encode("utf-8", "replace")) % of


def is_negative(case, location):
    component = case.meta.components.get(location) if case.meta is not None else None
    return component is not None and component.mode.is_negative


def is_linked(case, container, name):
    """Whether an earlier answer has given the value: a sequence of calls stands and falls with it."""
    if case.meta is None or case.meta.phase.name.value != "stateful":
        return False
    return case._override is not None and name in (getattr(case._override, container, None) or {})


@schemathesis.hook
def after_call(context, case, response):
    row = operation_of(case.operation.label)
    if ACTOR["role"] in USER_ROLES and row and row["id"] in ENDING_SESSIONS and response.status_code < 300:
        SESSION.clear()


@schemathesis.hook
def before_call(context, case, kwargs):
    row = operation_of(case.operation.label)
    if row is None:
        return
    sent = (case.headers or {}).get("Authorization", "")
    if sent.removeprefix("Bearer ") in TOKENS:
        # Cases are made before the ones that they follow are sent, and those may have ended the session.
        case.headers["Authorization"] = "Bearer " + current_token()
    if isinstance(case.path_parameters, dict) and not is_negative(case, ParameterLocation.PATH):
        use_known_ids(case, row)
    if row["id"] in CHANGING_MEMBERS:
        spare_actor(case)
    if isinstance(case.query, dict) and not is_negative(case, ParameterLocation.QUERY):
        make_window(case, case.query)
        if not is_linked(case, "query", "cursor") and pick(case, "cursor", 4) > 0:
            case.query.pop("cursor", None)
    if isinstance(case.body, dict) and not is_negative(case, ParameterLocation.BODY):
        make_window(case, case.body)
        if row["id"] == "login":
            use_known_login(case)
        if row["vendor"] == "stripe":
            make_new(case, case.body, "id", "evt_fuzz")
    if isinstance((case.headers or {}).get("Idempotency-Key"), str) and not is_negative(case, ParameterLocation.HEADER):
        # The same key with another body would be 422.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if row["vendor"] == "shopify" and not is_negative(case, ParameterLocation.HEADER):
        make_new(case, case.headers, "X-Shopify-Webhook-Id", "fuzz-")
        make_topic_fit(case)


def use_known_ids(case, row):
    """Random ids are tried where a 404 is documented, in one case of four."""
    for name in case.path_parameters:
        if name == "endpoint_key":
            known = ACTOR["endpoints"].get(row["vendor"], {}).get("key")
        else:
            known = ACTOR["ids"].get(name)
        if known is None or is_linked(case, "path_parameters", name):
            continue
        if "404" not in row["statuses"] or pick(case, name, 4) > 0:
            case.path_parameters[name] = known


def spare_actor(case):
    own = subject_of(SESSION["token"]) if SESSION else None
    for fields in (case.path_parameters, case.body):
        if isinstance(fields, dict) and own is not None and fields.get("user_id") == own:
            fields["user_id"] = str(uuid.uuid4())


def subject_of(token):
    claims = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]


def use_known_login(case):
    if set(case.body) <= {"email", "password", "tenant"} and pick(case, "login", 4) > 0:
        case.body.update({name: ACTOR[name] for name in case.body})


def make_new(case, fields, name, prefix):
    """Makes a delivery another one, in three cases of four: with a known id and another body it would be a conflict."""
    if isinstance(fields.get(name), str) and pick(case, "new", 4) > 0:
        fields[name] = f"{prefix}{pick(case, 'id', 2**32)}"


def make_topic_fit(case):
    """Names the topic that the body is about, in three cases of four; the contract leaves header and body apart."""
    if isinstance(case.body, dict) and "X-Shopify-Topic" in case.headers and pick(case, "topic", 4) > 0:
        case.headers["X-Shopify-Topic"] = "refunds/create" if "transactions" in case.body else "orders/paid"
        case.headers["X-Shopify-Test"] = "false"


def make_window(case, fields):
    """Orders the ends of a window of days and keeps it short, in three cases of four: JSON Schema cannot say that."""
    if pick(case, "window", 4) == 0:
        return
    start, end = as_day(fields.get("start_date")), as_day(fields.get("end_date"))
    if start is not None and end is not None:
        start, end = min(start, end), max(start, end)
        fields["start_date"] = start.isoformat()
        fields["end_date"] = min(end, start + datetime.timedelta(days=MAX_DAYS)).isoformat() if start.year < 9999 else end.isoformat()
    if isinstance(fields.get("since"), str):
        hours = pick(case, "since", 30 * 24)
        since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=hours)
        fields["since"] = since.strftime("%Y-%m-%dT%H:%M:%SZ")


def as_day(value):
    try:
        return datetime.date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


# --- Sampling --------------------------------------------------------------------------------------------------------

COVERED = {}


@schemathesis.hook
def filter_case(context, case):
    """Keeps the first boundary cases of each kind, such as a string that is too long: a vendor's event has thousands."""
    row = operation_of(case.operation.label)
    if row is None or case.meta is None or case.meta.phase.name.value != "coverage":
        return True
    data = case.meta.phase.data
    kind = (row["id"], str(getattr(data, "scenario", None)), str(getattr(data, "parameter_location", None)))
    COVERED[kind] = COVERED.get(kind, 0) + 1
    return COVERED[kind] <= (METHODS if "unspecified_http_method" in kind[1].lower() else row["boundaries"])


# --- Narrowed checks -------------------------------------------------------------------------------------------------

CHECKS = {"RejectedPositiveData": "positive_data_acceptance", "AcceptedNegativeData": "negative_data_rejection"}
HITS = {}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops a failure that an entry of narrowed.json describes: that check, that operation, and that very answer."""
    row = operation_of(case.operation.label)
    check = CHECKS.get(type(failure).__name__)
    if row is None or check is None:
        return True
    for index, entry in enumerate(SETTINGS["narrowed"]):
        if entry["check"] != check or entry["operationId"] not in ("*", row["id"]) or "when" not in entry:
            continue
        if is_described(case, response, entry["when"]):
            HITS[index] = HITS.get(index, 0) + 1
            return False
    return True


def is_described(case, response, when):
    if response.status_code != when["status"]:
        return False
    if when.get("location") == "header" and not is_only_header(case):
        return False
    try:
        body = response.json()
    except ValueError:
        return False
    if "result" in when:
        return body.get("result") in when["result"]
    codes = {error.get("code") for error in body.get("errors") or []}
    return len(codes) > 0 and codes <= set(when["codes"])


def is_only_header(case):
    components = case.meta.components if case.meta is not None else {}
    negative = {location for location, component in components.items() if component.mode.is_negative}
    return negative == {ParameterLocation.HEADER}


@atexit.register
def write_hits():
    with open(SETTINGS["hits"], "w", encoding="utf-8") as file:
        json.dump(HITS, file)
