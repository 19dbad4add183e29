import socket

import pytest

from modelyard.errors import SettingError
from modelyard.yard import ports
from modelyard.yard.ports import PortTaken, Reservations, decide_first_port, parse_first_port
from modelyard.yard.record import new_record, write_record


def nothing_usable(first):
    return False


@pytest.mark.parametrize("wanted", ["", "-1", "80", "65530", "seven", "7600.5"])
def test_a_first_port_that_cannot_be_is_refused_with_what_is_allowed(wanted):
    with pytest.raises(SettingError) as refused:
        parse_first_port(wanted)
    assert "1024 to 65515" in str(refused.value)


def test_a_default_does_not_move_a_yard_that_has_a_block():
    assert decide_first_port(7640, 7600, explicit=False, is_usable=nothing_usable) == 7640


def test_an_explicit_port_moves_a_yard():
    assert decide_first_port(7640, 7700, explicit=True, is_usable=nothing_usable) == 7700


def test_auto_keeps_a_block_that_is_usable():
    assert decide_first_port(7640, None, explicit=True, is_usable=lambda first: True) == 7640


def test_auto_takes_the_first_usable_block():
    assert decide_first_port(None, None, explicit=True, is_usable=lambda first: first >= 7660) == 7660


def test_auto_without_any_usable_block_is_an_error_and_not_an_endless_search():
    with pytest.raises(PortTaken):
        decide_first_port(None, None, explicit=True, is_usable=nothing_usable)


def test_a_port_that_somebody_listens_on_is_told_with_program_and_pid():
    import os

    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        assert not ports.is_free(port)
        with pytest.raises(PortTaken) as refused:
            ports.refuse_taken(port, {"gateway": port})
    assert f"(pid {os.getpid()})" in str(refused.value)
    assert f"port {port} (gateway)" in str(refused.value)
    assert "--ports auto" in str(refused.value)


def test_a_port_on_every_address_is_taken_on_loopback_too():
    with socket.create_server(("0.0.0.0", 0)) as held:
        assert not ports.is_free(held.getsockname()[1])


def test_a_closed_port_is_free_at_once():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            held.accept()[0].close()
            client.recv(1)
    assert ports.is_free(port)


def test_a_block_belongs_to_the_yard_whose_record_names_it(tmp_path):
    reservations = Reservations(tmp_path)
    ann, bob = tmp_path / "ann", tmp_path / "bob"
    write_record(ann / "yard.json", new_record(substrate="local", ports=7600, python="3.12", lock=""))
    reservations.take(7600, ann)
    assert reservations.is_of_another(7600, bob)
    assert not reservations.is_of_another(7600, ann)
    assert not reservations.is_of_another(7620, bob)


def test_a_block_of_a_yard_that_was_reset_is_free_again(tmp_path):
    reservations = Reservations(tmp_path)
    reservations.take(7600, tmp_path / "gone")
    assert not reservations.is_of_another(7600, tmp_path / "bob")
