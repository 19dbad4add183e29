from modelyard.services.catalog import BY_NAME, CATALOG
from modelyard.yard.layout import PORTS

DESIGNED = {
    "objectstore",
    "mlflow",
    "prometheus",
    "alertmanager",
    "activator",
    "envoy",
    "serving",
    "replicas",
    "monitor",
    "grafana",
    "board",
}


def test_the_catalog_holds_every_service_of_the_design_once():
    assert {service.name for service in CATALOG} == DESIGNED
    assert len(BY_NAME) == len(CATALOG)


def test_every_port_of_the_block_is_of_exactly_one_service():
    used = [key for service in CATALOG for key in service.ports]
    assert sorted(used) == sorted(PORTS)


def test_needs_name_services_and_never_go_in_a_circle():
    done: set[str] = set()
    while len(done) < len(CATALOG):
        step = {s.name for s in CATALOG if s.name not in done and set(s.needs) <= done}
        assert step, f"in a circle, or needing what there is not: {DESIGNED - done}"
        done |= step


def test_the_slowest_service_waits_for_nothing():
    assert BY_NAME["mlflow"].needs == ()


def test_only_grafana_may_be_left_out():
    assert [service.name for service in CATALOG if service.optional] == ["grafana"]
