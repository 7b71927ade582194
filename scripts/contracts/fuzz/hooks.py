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
import urllib.parse
import uuid
import zlib

import requests
import schemathesis
from requests.auth import AuthBase
from schemathesis.core.parameters import ParameterLocation

# What it raises itself when its time is over; the version is pinned.
from schemathesis.engine.run.unit._case import BudgetExpired

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
FORM = "application/x-www-form-urlencoded"
# Below the 20 in a minute that an endpoint takes.
MAX_PINGS = 10
# Where the topic stands that a vendor does not say in the body.
TOPIC_HEADERS = {"shopify": "X-Shopify-Topic", "woocommerce": "X-WC-Webhook-Topic"}


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


def sign_stripe(endpoint, body, headers):
    """https://docs.stripe.com/webhooks#verify-manually"""
    now = str(int(time.time()))
    digest = hmac.new(endpoint["secret"].encode(), now.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={now},v1={digest}"}


def sign_shopify(endpoint, body, headers):
    """https://shopify.dev/docs/apps/build/webhooks/subscribe/https#step-2-validate-the-origin-of-your-webhook"""
    return {"X-Shopify-Hmac-Sha256": base64_hmac(endpoint, body)}


def sign_woocommerce(endpoint, body, headers):
    """WC_Webhook::generate_signature; see src/webhooks/signatures/woocommerce.ts"""
    return {"X-WC-Webhook-Signature": base64_hmac(endpoint, body)}


def base64_hmac(endpoint, body):
    return base64.b64encode(hmac.new(endpoint["secret"].encode(), body, hashlib.sha256).digest()).decode()


# DigestInfo of SHA-256: RFC 8017, section 9.2, note 1.
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def sign_paypal(endpoint, body, headers):
    """RSASSA-PKCS1-v1_5, by hand: Python's own library has no RSA. See src/webhooks/signatures/paypal/paypal.ts"""
    sent = [as_text(headers.get(name, "")) for name in ("PAYPAL-TRANSMISSION-ID", "PAYPAL-TRANSMISSION-TIME")]
    message = "|".join([*sent, endpoint["secret"], str(zlib.crc32(body))]).encode("utf-8", "replace")
    modulus = int(endpoint["rsa"]["n"], 16)
    size = (modulus.bit_length() + 7) // 8
    end = b"\x00" + SHA256_PREFIX + hashlib.sha256(message).digest()
    padded = b"\x00\x01" + b"\xff" * (size - 2 - len(end)) + end
    signature = pow(int.from_bytes(padded, "big"), int(endpoint["rsa"]["d"], 16), modulus)
    return {"PAYPAL-TRANSMISSION-SIG": base64.b64encode(signature.to_bytes(size, "big")).decode()}


def as_text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


SIGNERS = {
    f"{vendor}Signature": (vendor, sign)
    for vendor, sign in {
        "stripe": sign_stripe,
        "shopify": sign_shopify,
        "woocommerce": sign_woocommerce,
        "paypal": sign_paypal,
    }.items()
    if vendor in ACTOR["endpoints"]
}


class Signed(AuthBase):
    """Signs the very bytes that are sent: requests calls this after it has made the body."""

    def __init__(self, endpoint, sign):
        self.endpoint, self.sign = endpoint, sign

    def __call__(self, request):
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode("utf-8")
            request.body = body
        request.headers.update(self.sign(self.endpoint, body, request.headers))
        return request


if ACTOR["role"] == "vendor":

    @schemathesis.auth(refresh_interval=None).apply_to(uses(*SIGNERS))
    class Vendor:
        def get(self, case, ctx):
            return next(SIGNERS[scheme] for scheme in sorted(schemes_of(ctx.operation)) if scheme in SIGNERS)

        def set(self, case, data, ctx):
            vendor, sign = data
            case._auth = Signed(ACTOR["endpoints"][vendor], sign)
            if "tenantKey" in schemes_of(ctx.operation):
                case.headers["X-Skeldir-Tenant-Key"] = ACTOR["api_key"]


# --- Values that exist -----------------------------------------------------------------------------------------------


def pick(case, name, of):
    """A number below `of` that is the same in every run with the same seed."""
    return zlib.crc32(f"{name} {case.path_parameters} {case.query} {case.body!r}".encode("utf-8", "replace")) % of


def phase_of(case):
    return case.meta.phase.name.value if case.meta is not None else None


def is_negative(case, location):
    component = case.meta.components.get(location) if case.meta is not None else None
    return component is not None and component.mode.is_negative


def is_linked(case, container, name):
    """Whether an earlier answer has given the value: a sequence of calls stands and falls with it."""
    if phase_of(case) != "stateful":
        return False
    return case._override is not None and name in (getattr(case._override, container, None) or {})


@schemathesis.hook
def after_call(context, case, response):
    row = operation_of(case.operation.label)
    if ACTOR["role"] in USER_ROLES and row and row["id"] in ENDING_SESSIONS and response.status_code < 300:
        SESSION.clear()


# Calls in sequences.
SEQUENCED = {"calls": 0}


def end_sequences(case):
    """
    Ends the phase of sequences when it has had its calls. Schemathesis begins them anew whenever an answer differs from
    that of an equal call before, which is what a platform with a memory does: by itself it may never come to an end.
    """
    if phase_of(case) != "stateful":
        return
    SEQUENCED["calls"] += 1
    if SEQUENCED["calls"] > SETTINGS["sequenceCalls"]:
        raise BudgetExpired


@schemathesis.hook
def before_call(context, case, kwargs):
    end_sequences(case)
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
        if row["id"] == "replayDeadEvents" and isinstance(case.body.get("filter"), dict):
            make_window(case, case.body["filter"])
            use_known_dead_events(case, case.body["filter"])
        if row["vendor"] == "stripe":
            make_new(case, case.body, "id", "evt_fuzz")
        if row["vendor"] == "paypal":
            make_new(case, case.body, "id", "WH-FUZZ-")
        if row["vendor"] == "woocommerce":
            make_new(case, case.body, "id", "")
        make_recent(case)
    if row["jsonText"] and not is_negative(case, ParameterLocation.BODY):
        use_known_page(case, row)
    if case.media_type == "text/csv" and not is_negative(case, ParameterLocation.BODY):
        make_csv(case)
    if isinstance((case.headers or {}).get("Idempotency-Key"), str) and not is_negative(case, ParameterLocation.HEADER):
        # The same key with another body would be 422.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if ACTOR["role"] != "vendor" and row["vendor"] == "woocommerce" and case.media_type == FORM:
        # A ping is one only without a signature; Schemathesis sends an empty or an invented one.
        (case.headers or {}).pop("X-WC-Webhook-Signature", None)
    if row["vendor"] is not None and not is_negative(case, ParameterLocation.HEADER):
        make_topic_fit(case, row)
        if row["vendor"] == "shopify":
            make_new(case, case.headers, "X-Shopify-Webhook-Id", "fuzz-")
        if row["vendor"] == "paypal":
            make_transmission(case)


def use_known_ids(case, row):
    """Random ids are tried where a 404 is documented, in one case of four."""
    for name in case.path_parameters:
        if name == "endpoint_key":
            known = ACTOR["endpoints"].get(row["vendor"], {}).get("key")
        else:
            known = ACTOR["ids"].get(name)
        if known is None or is_linked(case, "path_parameters", name) or is_ping_too_many(case, name):
            continue
        if isinstance(known, list):
            known = known[pick(case, f"which {name}", len(known))]
        if "404" not in row["statuses"] or pick(case, name, 4) > 0:
            case.path_parameters[name] = known


PINGS = {"sent": 0}


def is_ping_too_many(case, name):
    """WooCommerce's ping is the one body that is taken unsigned, and an endpoint takes only so many of them."""
    if ACTOR["role"] == "vendor" or name != "endpoint_key" or case.media_type != FORM:
        return False
    PINGS["sent"] += 1
    return PINGS["sent"] > MAX_PINGS


def use_known_dead_events(case, fields):
    known = ACTOR["ids"].get("dead_event_id")
    if known is not None and isinstance(fields.get("dead_event_ids"), list) and pick(case, "dead", 4) > 0:
        fields["dead_event_ids"] = [known[pick(case, "which", len(known))]]


def use_known_page(case, row):
    """Sends what a page of the actor's would, in three cases of four; a text always, since no schema says what JSON is."""
    if not is_negative(case, ParameterLocation.HEADER) and pick(case, "origin", 4) > 0:
        case.headers["Origin"] = ACTOR["origin"]
    if case.media_type in row["jsonText"]:
        case.body = json.dumps(page_view(case))
    elif isinstance(case.body, dict) and "key" in case.body and pick(case, "key", 4) > 0:
        case.body["key"] = ACTOR["publishable_key"]


def page_view(case):
    """What a beacon sends; the text that the schema has given is the name of the campaign."""
    campaign = urllib.parse.quote(str(case.body)[:200], errors="replace")
    visited = {
        "event_id": f"fuzz-{pick(case, 'event', 2**32)}",
        "occurred_at": as_instant(datetime.datetime.now(datetime.timezone.utc)),
        "page_url": f"{ACTOR['origin']}/?utm_source=fuzz&utm_medium=cpc&utm_campaign={campaign}",
    }
    return {"key": ACTOR["publishable_key"], "visitor_id": "01KDW3M8Q2Z7C4T9X5B6N1R0JA", "touchpoints": [visited]}


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
    if pick(case, "new", 4) == 0:
        return
    if isinstance(fields.get(name), str):
        fields[name] = f"{prefix}{pick(case, 'id', 2**32)}"
    elif isinstance(fields.get(name), int):
        fields[name] = pick(case, "id", 2**32)


def make_topic_fit(case, row):
    """Names the topic that the body is about, in three cases of four; the contract leaves header and body apart."""
    name = TOPIC_HEADERS.get(row["vendor"])
    if name is None or name not in case.headers or not isinstance(case.body, dict) or pick(case, "topic", 4) == 0:
        return
    case.headers[name] = row["topic"] or topic_of(row["vendor"], case.body)
    if row["vendor"] == "shopify":
        case.headers["X-Shopify-Test"] = "false"


def topic_of(vendor, body):
    if vendor == "shopify":
        return "refunds/create" if "transactions" in body else "orders/paid"
    return "action.fuzz" if "action" in body else "order.updated"


def make_transmission(case):
    """What PayPal signs with the body is new in each delivery; a signature of another day is a replay."""
    case.headers["PAYPAL-TRANSMISSION-ID"] = str(uuid.uuid4())
    case.headers["PAYPAL-TRANSMISSION-TIME"] = as_instant(datetime.datetime.now(datetime.timezone.utc))
    case.headers["PAYPAL-AUTH-ALGO"] = "SHA256withRSA"


def make_recent(case):
    """Moves what happened into the last days, in three cases of four: what is older is judged, and rejected."""
    if pick(case, "recent", 4) == 0:
        return
    now = datetime.datetime.now(datetime.timezone.utc)
    for index, item in enumerate(item for name in EVENTS for item in as_list(case.body.get(name))):
        if not isinstance(item, dict):
            continue
        happened = now - datetime.timedelta(hours=pick(case, f"hours {index}", 6 * 24))
        if isinstance(item.get("occurred_at"), str):
            item["occurred_at"] = as_instant(happened)
        if isinstance(item.get("date"), str):
            item["date"] = happened.date().isoformat()


def make_csv(case):
    """Makes a text that is no CSV the campaign of a row that is, in three cases of four."""
    if not isinstance(case.body, str) or case.body.startswith("date,") or pick(case, "csv", 4) == 0:
        return
    day = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=pick(case, "day", 6))
    campaign = case.body[:200].replace('"', '""')
    case.body = f'date,channel,source,campaign,amount_minor,currency\n{day},paid_search,fuzz,"{campaign}",4711,USD\n'


EVENTS = ("touchpoints", "conversions", "spend")


def as_list(value):
    return value if isinstance(value, list) else []


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
        fields["since"] = as_instant(since)
        if isinstance(fields.get("until"), str):
            fields["until"] = as_instant(since + datetime.timedelta(hours=1 + pick(case, "until", 48)))


def as_instant(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


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
    if row is None or phase_of(case) != "coverage":
        return True
    data = case.meta.phase.data
    kind = (row["id"], str(getattr(data, "scenario", None)), str(getattr(data, "parameter_location", None)))
    COVERED[kind] = COVERED.get(kind, 0) + 1
    return COVERED[kind] <= (METHODS if "unspecified_http_method" in kind[1].lower() else row["boundaries"])


# --- Narrowed checks -------------------------------------------------------------------------------------------------

CHECKS = {
    "RejectedPositiveData": "positive_data_acceptance",
    "AcceptedNegativeData": "negative_data_rejection",
    "IgnoredAuth": "ignored_auth",
}
HITS = {}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops a failure that an entry of narrowed.json describes: that check, that operation, and that very answer."""
    row = operation_of(case.operation.label)
    check = CHECKS.get(type(failure).__name__)
    if row is None or check is None:
        return True
    for index, entry in enumerate(SETTINGS["narrowed"]):
        if entry["check"] != check or not is_about(entry["operationId"], row["id"]) or "when" not in entry:
            continue
        if is_described(failure, case, response, entry["when"]):
            HITS[index] = HITS.get(index, 0) + 1
            return False
    return True


def is_about(named, operation_id):
    return named == "*" or operation_id in ([named] if isinstance(named, str) else named)


def is_described(failure, case, response, when):
    if response.status_code != when["status"] or case.media_type != when.get("mediaType", case.media_type):
        return False
    if "faults" in when and not any(line.endswith(tuple(when["faults"])) for line in failure.message.splitlines()):
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
