"""Running the command line in tests."""

import os

from click.testing import CliRunner

from fastreg.cli.app import app


def run(*args, code=0, env=None):
    """Run a command and check its exit code; click's result."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], env=env)
    assert result.exit_code == code, result.output
    return result


def failure(*args):
    """Run what must fail with code 2 and touch no file of the current directory; its one line."""
    before = {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(".")}
    result = run(*args, code=2)
    assert {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(".")} == before
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("fastreg: note:")]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("fastreg: error: ")
    return lines[0]
