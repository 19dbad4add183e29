"""Grafana, where the machine has it: dashboards over Prometheus."""

from __future__ import annotations

from modelyard.connections import REPOSITORY, Connections
from modelyard.services.probes import get_json
from modelyard.services.service import Context, Process, Service
from modelyard.services.templates import TEMPLATES, render

PROVISIONING = "grafana/provisioning"


def process(context: Context) -> Process:
    """Configured by environment; the password is read from a file of mode 0600."""
    conn = context.conn
    config = conn.layout.config / "grafana"
    data = conn.layout.data("grafana")
    program = context.toolbox.find("grafana")
    password = config / "admin.password"
    files = {
        config / "provisioning" / path.relative_to(TEMPLATES / PROVISIONING).with_suffix(""): render(
            path.relative_to(TEMPLATES).as_posix(),
            conn=conn,
            dashboards_dir=REPOSITORY / "dashboards",
            scrape_interval_s=context.settings.scrape_interval_s,
        )
        for path in sorted((TEMPLATES / PROVISIONING).rglob("*.j2"))
    }
    return Process(
        argv=(str(program), "server", "--homepath", str(home(program)), "--config", "/dev/null"),
        env={
            "GF_SERVER_HTTP_ADDR": "127.0.0.1",
            "GF_SERVER_HTTP_PORT": str(conn.port("grafana")),
            "GF_PATHS_DATA": str(data),
            "GF_PATHS_LOGS": str(conn.layout.logs / "grafana"),
            "GF_PATHS_PLUGINS": str(data / "plugins"),
            "GF_PATHS_PROVISIONING": str(config / "provisioning"),
            "GF_LOG_MODE": "console",
            "GF_SECURITY_ADMIN_USER": "admin",
            "GF_SECURITY_ADMIN_PASSWORD__FILE": str(password),
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
            "GF_PLUGINS_PREINSTALL_DISABLED": "true",
            "GF_NEWS_NEWS_FEED_ENABLED": "false",
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(REPOSITORY / "dashboards" / "json" / "overview.json"),
        },
        files={password: conn.credentials.grafana_password, **files},
        folders=(data / "plugins", config / "provisioning"),
    )


def home(program: object) -> object:
    """Grafana's folder of assets: two levels above its program, or the packages' own place."""
    from pathlib import Path

    beside = Path(str(program)).resolve().parents[1]
    return beside if (beside / "public").is_dir() else Path("/usr/share/grafana")


def missing(context: Context) -> str:
    """Grafana has no Python or Debian package: it is used where it is installed or can be fetched quickly."""
    if context.settings.grafana == "never":
        return "MODELYARD_GRAFANA is never"
    return context.toolbox.why_missing("grafana")


def probe(conn: Connections) -> None:
    """Its database is there, and an admin may list the data sources."""
    if get_json(f"{conn.address('grafana')}/api/health")["database"] != "ok":
        raise LookupError("Grafana's database is not ready")
    get_json(f"{conn.address('grafana')}/api/datasources", auth=("admin", conn.credentials.grafana_password))


SERVICE = Service(
    name="grafana",
    summary="dashboards (Grafana)",
    ports=("grafana",),
    process=process,
    programs=("grafana",),
    probe=probe,
    needs=("prometheus",),
    optional=True,
    missing=missing,
)
