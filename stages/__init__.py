"""The stages that come with the engine. A module is imported when a pipeline names its stage."""

BUILT_IN = {
    "decode": "stages.decode:Decode",
    "frames": "stages.frames:Frames",
    "describe": "stages.describe:Describe",
    "caption": "stages.caption:Caption",
    "name_stems": "stages.name_stems:NameStems",
    "mix_stems": "stages.mix_stems:MixStems",
    "bandwidth": "stages.bandwidth:Bandwidth",
    "separate": "stages.separate:Separate",
    "text_audio": "stages.text_audio:TextAudio",
    "scene_complexity": "stages.scene_complexity:SceneComplexity",
    "aesthetics": "stages.aesthetics:Aesthetics",
    "silence_ratio": "stages.silence_ratio:SilenceRatio",
    "speech_presence": "stages.speech_presence:SpeechPresence",
    "transcribe": "stages.transcribe:Transcribe",
    "levels": "stages.levels:Levels",
    "stem_overlap": "stages.stem_overlap:StemOverlap",
    "remix_error": "stages.remix_error:RemixError",
    "separator_agreement": "stages.separator_agreement:SeparatorAgreement",
    "remix_consistency": "stages.remix_consistency:RemixConsistency",
    "track": "stages.track:Track",
    "audio_visual": "stages.audio_visual:AudioVisual",
    "filter": "stages.filter:Filter",
    "spans": "stages.spans:Spans",
    "fingerprint": "stages.fingerprint:Fingerprint",
}
"""Name in a pipeline file → module and class."""
