"""Adapters of models that are told in words what to do."""

from __future__ import annotations

from importlib import resources
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

import conf
from dataengine.models.adapter import Adapter, digest_of_text
from dataengine.validation import validated
from dataengine.yaml_source import load_located


class _InstructionFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    instruction: str = Field(min_length=1)


class InstructedAdapter(Adapter):
    """An adapter whose model follows an instruction; what it says decides the model's answers."""

    default_instruction: ClassVar[str]
    """File of `conf/prompts/`."""

    instruction: str | None = Field(default=None, min_length=1)
    """What the model is asked; default: what the file says."""

    def told(self) -> str:
        """The instruction. Raises UserError if the file does not serve."""
        if self.instruction is not None:
            return self.instruction.strip()
        path = str(resources.files(conf) / "prompts" / self.default_instruction)
        return validated(_InstructionFile, load_located(path), "the instruction").instruction.strip()

    def options(self) -> dict[str, Any]:
        """See Adapter; of the instruction a digest."""
        return {**super().options(), "instruction": digest_of_text(self.told())}
