"""The program that another environment runs to tell the card of a model; see `dataengine.models.elsewhere`."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict

from dataengine.errors import UserError
from dataengine.interpreters import is_this
from dataengine.models.elsewhere import Interpreter, Question
from dataengine.models.profile import card_made_here


def main() -> None:
    """Read a `Question` from standard input; the last line of standard output is the answer, as JSON."""
    question = Question(**json.load(sys.stdin))
    card, mistake = None, None
    with redirect_stdout(sys.stderr):  # libraries talk when they are imported
        if not is_this(question.python):
            mistake = f"it is a script that starts {sys.executable}; name that one"
        else:
            try:
                card = asdict(card_made_here(question.profile, question.role))
            except UserError as error:
                mistake = str(error)
    print(json.dumps({"interpreter": asdict(Interpreter.here()), "card": card, "mistake": mistake}))
