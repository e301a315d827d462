"""The command line's contract: words, exit codes, one clear line for what went wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from pipeline.cli import main
from pipeline.cli.exits import Exit
from pipeline.domain.errors import ConfigError, HedxError, InvalidMessage


def plant(monkeypatch: pytest.MonkeyPatch, what: object) -> None:
    """Make `hedx broker` a command that returns `what`, or raises it."""

    @click.command()
    def command() -> object:
        if isinstance(what, BaseException):
            raise what
        return what

    monkeypatch.setitem(sys.modules, "pipeline.cli.broker", SimpleNamespace(command=command))


@pytest.mark.parametrize("group", main.COMMANDS)
def test_every_listed_group_is_there(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What `hedx --help` lists can be run and describes itself."""
    assert main.run([group, "--help"]) == Exit.FINE
    assert f"hedx {group}" in capsys.readouterr().out


def test_help_imports_no_group(tmp_path: Path) -> None:
    """`hedx --help` is quick because it loads no Kafka client, no cryptography and no group."""
    script = (
        "import sys; from pipeline.cli.main import run; run(['--help']); "
        "heavy = {'confluent_kafka', 'cryptography', 'rich', 'faust', 'pipeline.cli.broker'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "broker" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["--nonsense"], ["broker", "start", "--port", "x"]])
def test_wrong_usage_exits_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that makes no sense exits 64, with the reason on stderr and nothing on stdout."""
    assert main.run(arguments) == Exit.USAGE
    told = capsys.readouterr()
    assert told.out == ""
    assert "Usage:" in told.err


@pytest.mark.parametrize("error", [ConfigError("no such file: x.yaml"), InvalidMessage("avro_invalid", "at byte 3")])
def test_an_expected_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: HedxError
) -> None:
    """The operator's or the sender's fault is one line on stderr and exit code 1, without a traceback."""
    plant(monkeypatch, error)
    assert main.run(["broker"]) == Exit.FAILED
    assert capsys.readouterr().err == f"hedx: {error}\n"


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception is not swallowed."""
    plant(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main.run(["broker"])


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C is not a failure of the command; it says so and exits as shells expect."""
    plant(monkeypatch, KeyboardInterrupt())
    assert main.run(["broker"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err.strip() == "hedx: interrupted"


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (Exit.DRIFT, 2), (Exit.UNHEALTHY, 10)])
def test_a_command_returns_its_exit_code(monkeypatch: pytest.MonkeyPatch, returned: object, code: int) -> None:
    """Drift and ill health are results, not errors: the command returns them."""
    plant(monkeypatch, returned)
    assert main.run(["broker"]) == code
