"""The Knative Pod Autoscaler: what it sees, what it wants, and what waits for it."""

from __future__ import annotations

from dashboards.series.kinds import PER_REVISION, Group, Series, of_knative

AUTOSCALING = Group(
    "modelyard-autoscaling",
    "the Knative Pod Autoscaler: what it sees, what it wants, and what waits for it",
    (
        Series(
            "modelyard:replicas_desired",
            "Replicas that the load asks for, before minReplicas, maxReplicas and the last replica's grace period.",
            "replicas",
            PER_REVISION,
            of_knative("kn_revision_pods_desired"),
        ),
        Series(
            "modelyard:replicas_requested",
            "Replicas that a revision is to have, after all bounds.",
            "replicas",
            PER_REVISION,
            of_knative("kn_revision_pods_requested"),
        ),
        Series(
            "modelyard:replicas_starting",
            "Replicas that were started and cannot answer yet.",
            "replicas",
            PER_REVISION,
            f"{of_knative('kn_revision_pods_not_ready_count')}\n+ {of_knative('kn_revision_pods_pending_count')}",
        ),
        Series(
            "modelyard:concurrency:stable",
            "Requests in flight at all replicas and in the activator together, on average over the stable window; no"
            " sample for a revision that is scaled by requests/s.",
            "requests",
            PER_REVISION,
            of_knative("kn_revision_concurrency_stable"),
        ),
        Series(
            "modelyard:concurrency:panic",
            "The same over the panic window.",
            "requests",
            PER_REVISION,
            of_knative("kn_revision_concurrency_panic"),
        ),
        Series(
            "modelyard:concurrency_target",
            "Requests in flight that one replica is meant for.",
            "requests",
            PER_REVISION,
            of_knative("kn_revision_concurrency_target"),
        ),
        Series(
            "modelyard:rps:stable",
            "Requests a second on average over the stable window; only for a revision that is scaled by them.",
            "requests/s",
            PER_REVISION,
            of_knative("kn_revision_rps_stable_per_second"),
        ),
        Series(
            "modelyard:rps:panic",
            "The same over the panic window.",
            "requests/s",
            PER_REVISION,
            of_knative("kn_revision_rps_panic_per_second"),
        ),
        Series(
            "modelyard:rps_target",
            "Requests a second that one replica is meant for.",
            "requests/s",
            PER_REVISION,
            of_knative("kn_revision_rps_target_per_second"),
        ),
        Series(
            "modelyard:load_ratio:panic",
            "Load over the panic window as a part of what the ready replicas are meant for; panic begins at 2 (where"
            " no annotation says else). No sample without a ready replica.",
            "ratio",
            PER_REVISION,
            "modelyard:concurrency:panic / (modelyard:concurrency_target * (modelyard:replicas_ready > 0))\n"
            "or modelyard:rps:panic / (modelyard:rps_target * (modelyard:replicas_ready > 0))",
        ),
        Series(
            "modelyard:panic",
            "1 while the autoscaler is in panic: it follows the panic window and takes no replica away.",
            "1 or 0",
            PER_REVISION,
            of_knative("kn_revision_panic_mode"),
        ),
        Series(
            "modelyard:burst_capacity",
            "Requests that the ready replicas could take beyond the load and the target burst capacity; below 0 they"
            " could not.",
            "requests",
            PER_REVISION,
            of_knative("kn_revision_capacity_excess"),
        ),
        Series(
            "modelyard:requests_queued",
            "Requests that the activator holds, because no replica can take them; 0 where it holds none.",
            "requests",
            PER_REVISION,
            f"{of_knative('kn_revision_request_queued')}\nor modelyard:replicas_ready * 0",
        ),
        Series(
            "modelyard:requests_stranded",
            "The same of a revision that has no ready replica: they wait for a cold start.",
            "requests",
            PER_REVISION,
            "modelyard:requests_queued and modelyard:replicas_ready == 0\nor modelyard:requests_queued * 0",
        ),
        Series(
            "modelyard:replica_failures",
            "Ends of replicas in a row that nobody asked for; the wait before the next try grows with them.",
            "failures",
            PER_REVISION,
            f"max by ({', '.join(PER_REVISION)}) (modelyard_serving_replica_failures)",
        ),
    ),
)
