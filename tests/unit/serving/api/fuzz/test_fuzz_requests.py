"""Random requests: paths, queries, headers and bodies of any kind are answered, and never by a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from conftest import Hostile

bounded = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", ""]
WORDS = [
    *("api", "apis", "v1", "v1beta1", "v1alpha1", "serving.kserve.io", "namespaces", "default", "kube-system"),
    *("inferenceservices", "pods", "nodes", "events", "secrets", "configmaps", "serviceaccounts", "services"),
    *("flights", "pod-1", "log", "status", "scale", "exec", "openapi", "v3", "v2", "version", "healthz", "metrics"),
    *("authorization.k8s.io", "selfsubjectaccessreviews", "..", ".", "", "%2e%2e", "%2F", "a" * 300, "é", "\x00"),
]
segments = st.one_of(st.sampled_from(WORDS), st.text(max_size=12), st.binary(max_size=6).map(quote_from_bytes))
free_paths = st.lists(segments, max_size=8).map(lambda parts: ("/" + "/".join(parts)).encode("utf-8", "replace"))
near_paths = st.builds(
    lambda base, more: (base + "".join("/" + part for part in more)).encode("utf-8", "replace"),
    st.sampled_from(
        [
            "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices",
            "/apis/serving.kserve.io/v1beta1/inferenceservices",
            "/api/v1/namespaces/default/pods",
            "/api/v1/namespaces/default/secrets",
            "/api/v1/namespaces",
            "/api/v1/nodes",
            "/api/v1/namespaces/default/pods/pod-1/log",
            "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/flights/status",
            "/openapi/v3",
        ]
    ),
    st.lists(segments, max_size=2),
)
paths = st.one_of(free_paths, near_paths)
PARAMETERS = [
    *("watch", "limit", "continue", "resourceVersion", "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds"),
    *("allowWatchBookmarks", "labelSelector", "fieldSelector", "dryRun", "fieldManager", "fieldValidation", "force"),
    *("includeObject", "propagationPolicy", "gracePeriodSeconds", "pretty", "follow", "tailLines", "sinceSeconds"),
    *("sinceTime", "limitBytes", "timestamps", "previous", "container", "stream", "hash", "x"),
]
VALUES = [
    *("true", "1", "0", "-1", "All", "None", "x", "", "9" * 40, "1e3", "NaN", "é", "\x00", "a=b", "!a", "a in (b,c)"),
    *("metadata.name=flights", "status.phase!=x", "==", "a in (", ",,", "(((", "NotOlderThan", "Strict", "٣", "²"),
    *("2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "../../secret", "0x10", "1_0", "+1", " 1", "a" * 5000),
]
values = st.one_of(st.sampled_from(VALUES), st.text(max_size=20))
queries = st.lists(st.tuples(st.sampled_from(PARAMETERS), values), max_size=5).map(
    lambda pairs: "&".join(
        f"{key}={quote_from_bytes(value.encode('utf-8', 'replace'))}" for key, value in pairs
    ).encode()
)
raw_queries = st.one_of(queries, st.binary(max_size=40))
NAMES = [
    *("accept", "accept-encoding", "content-type", "if-none-match", "user-agent", "content-length", "expect"),
    *(
        "connection",
        "upgrade",
        "transfer-encoding",
        "host",
        "x-forwarded-for",
        "impersonate-user",
        "x-http-method-override",
    ),
]
header_values = st.one_of(
    st.sampled_from(
        [
            b"application/json;as=Table;v=v1;g=meta.k8s.io",
            b"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,*/*",
            b"application/vnd.kubernetes.protobuf",
            b"application/json;as=;v=;g=",
            b";;=;=,",
            b"gzip",
            b"\xff\xfe",
        ]
    ),
    st.binary(max_size=30),
)
headers = st.lists(st.tuples(st.sampled_from(NAMES).map(str.encode), header_values), max_size=4)
CONTENT_TYPES = [
    *("application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/merge-patch+json"),
    *("application/json-patch+json", "application/apply-patch+yaml", "application/strategic-merge-patch+json"),
    *("text/plain", "", "application/json; charset=latin-1", "multipart/form-data; boundary=x", "é"),
]
bodies = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"null", b"{}", b"[]", b'"x"', b"{", b"k8s\x00", b"\xef\xbb\xbf{}", b"0", b"true", b"a: &a [*a]"]
    ),
)


@bounded
@given(
    method=st.sampled_from(METHODS),
    path=paths,
    query=raw_queries,
    sent=headers,
    content_type=st.one_of(st.none(), st.sampled_from(CONTENT_TYPES)),
    body=bodies,
)
def test_any_request_is_answered_by_a_result_or_a_status(
    hostile: Hostile, method: str, path: bytes, query: bytes, sent: list, content_type: str | None, body: bytes
) -> None:
    answer = hostile.ask(method, path, body, query=query, headers=sent, content_type=content_type)
    assert b"SECRET" not in answer.body


@bounded
@given(
    method=st.sampled_from(METHODS),
    path=paths,
    query=raw_queries,
    sent=headers,
    token=st.one_of(st.none(), st.binary(max_size=12)),
)
def test_nothing_is_answered_without_the_token(
    hostile: Hostile, method: str, path: bytes, query: bytes, sent: list, token: bytes | None
) -> None:
    if token != b"a-token":
        assert hostile.ask(method, path, query=query, headers=sent, token=token).status == 401


@bounded
@given(
    path=st.sampled_from(["/api/v1/pods", "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices"]),
    query=queries,
    accept=header_values,
)
def test_lists_and_watches_take_any_query(hostile: Hostile, path: str, query: bytes, accept: bytes) -> None:
    for more in (b"", b"&watch=true&timeoutSeconds=1"):
        hostile.ask("GET", path, query=query + more, headers=[(b"accept", accept)])


@bounded
@given(name=st.one_of(segments, st.text(max_size=30)), query=queries)
def test_a_log_is_that_of_a_pod_and_of_nothing_else(hostile: Hostile, name: str, query: bytes) -> None:
    path = f"/api/v1/namespaces/default/pods/{name}/log".encode("utf-8", "replace")
    answer = hostile.ask("GET", path, query=query)
    assert b"SECRET" not in answer.body
    assert answer.status != 200 or name in ("pod-1", "") or b"pod-1" in path
