"""The arrows of the design (pyproject, [tool.importlinter]): who may import whom."""

import os

from importlinter.cli import lint_imports

from modelyard.connections import REPOSITORY


def test_arrows_go_one_way(monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    exit_code = lint_imports(cache_dir=None, no_cache=True)
    assert exit_code == os.EX_OK, capsys.readouterr().out
