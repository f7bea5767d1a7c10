"""Which adapters there are: built in, or installed by other packages.

A package adds one by an entry point in the group `dataengine.models`: name = `module:AdapterClass`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from dataengine.errors import UserError
from dataengine.models.adapter import Adapter
from dataengine.validation import suggestion

ENTRY_POINT_GROUP = "dataengine.models"

BUILT_IN = {
    "yamnet": "dataengine.models.yamnet:YamNetAdapter",
    "minilm": "dataengine.models.minilm:MiniLmAdapter",
    "label_bridge": "dataengine.models.label_bridge:LabelBridgeAdapter",
    "kinds_of_sound": "dataengine.models.complexity:KindsOfSoundAdapter",
    "silero": "dataengine.models.silero:SileroAdapter",
    "voice2gender": "dataengine.models.voice2gender:Voice2GenderAdapter",
    "dtln": "dataengine.models.dtln:DtlnAdapter",
    "nsnet2": "dataengine.models.nsnet2:NsNet2Adapter",
    "clap": "dataengine.models.clap:ClapAdapter",
    "laion_clap": "dataengine.models.laion_clap:LaionClapAdapter",
    "audiobox": "dataengine.models.audiobox:AudioboxAdapter",
    "production_complexity": "dataengine.models.production_complexity:ProductionComplexityAdapter",
    "audio_language": "dataengine.models.audio_language:AudioLanguageAdapter",
    "language_model": "dataengine.models.language_model:LanguageModelAdapter",
    "openai_server": "dataengine.models.openai_server:OpenAiServerAdapter",
    "openai_audio_server": "dataengine.models.openai_server:OpenAiAudioServerAdapter",
    "imagebind": "dataengine.models.imagebind:ImageBindAdapter",
    "sam2": "dataengine.models.sam2:Sam2Adapter",
    "sam2_transformers": "dataengine.models.sam2_transformers:Sam2TransformersAdapter",
    "sam3": "dataengine.models.sam3:Sam3Adapter",
    "enhancer_router": "dataengine.models.enhancer_router:EnhancerRouterAdapter",
    "t5": "dataengine.models.t5:T5Adapter",
    "perception_encoder": "dataengine.models.perception_encoder:PerceptionEncoderAdapter",
    "bridge_spans": "dataengine.models.bridge_spans:BridgeSpansAdapter",
    "pe_frames": "dataengine.models.pe_frames:PeFramesAdapter",
    "best_of": "dataengine.models.best_of:BestOfAdapter",
    "demucs": "dataengine.models.demucs:DemucsAdapter",
    "sam_audio": "dataengine.models.sam_audio:SamAudioAdapter",
    "whisper": "dataengine.models.whisper:WhisperAdapter",
    "spleeter": "dataengine.models.spleeter:SpleeterAdapter",
}
"""Name in a profile → `module:Class`; the module is imported when a profile names the adapter."""


def adapter_names() -> list[str]:
    """Every adapter a profile may name."""
    return sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP))})


def find_adapter(name: str, *, where: str | None = None) -> type[Adapter]:
    """The class of an adapter. Raises UserError, at `where`, if there is none or it cannot be imported."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return _as_adapter(getattr(import_module(module), attribute), name, where)
    for entry in entry_points(group=ENTRY_POINT_GROUP, name=name):
        try:
            return _as_adapter(entry.load(), name, where)
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"adapter {name!r} ({entry.value}) cannot be imported: {error}", where=where
            ) from error
    raise UserError(f"unknown adapter {name!r}{suggestion(name, adapter_names())}", where=where)


def _as_adapter(found: object, name: str, where: str | None) -> type[Adapter]:
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise UserError(
            f"{name!r} is registered as an adapter and is no subclass of dataengine.models.adapter.Adapter",
            where=where,
        )
    return found
