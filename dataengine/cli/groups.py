"""How commands are found, and what becomes of a user's mistake."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from dataengine.errors import UserError

INTERRUPTED = 130


class Commands(TyperGroup):
    """Turns the user's mistakes and Ctrl-C into one line; anything else is a bug and shows its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            typer.echo(f"dataengine: {' '.join(str(error).splitlines())}", err=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            typer.echo("dataengine: interrupted; the same command goes on from here", err=True)
            raise typer.Exit(INTERRUPTED) from error


class ModelCommands(TyperGroup):
    """`dataengine models PROFILE` says the same as `dataengine models list PROFILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add the command if it is not named."""
        if not args or args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["list", *args]
        return super().parse_args(ctx, args)


class LoopCommands(TyperGroup):
    """`dataengine loop FILE` says the same as `dataengine loop run FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add the command if it is not named."""
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["run", *args]
        return super().parse_args(ctx, args)
