"""SAM 2 and SAM 3 with random weights, saved by the libraries' own means: masks mean nothing, mechanics do."""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

WIDTH = 128
"""Of the small networks; the memory attention splits it into vectors of 64."""


class Sam2s(NamedTuple):
    """The smallest published SAM 2, the same random weights in both forms."""

    predictor: Any
    """Built by the package's own means."""
    checkpoint: Path
    folder: Path


def moving_square(frames: int, height: int, width: int) -> np.ndarray:
    """A clip [frames, height, width, 3] of a bright square that moves to the right over noise."""
    clip = np.random.default_rng(0).integers(0, 120, (frames, height, width, 3), dtype=np.uint8)
    side = height // 4
    for number, frame in enumerate(clip):
        left = width // 8 + number * width // (2 * frames)
        frame[side : 2 * side, left : left + side] = (250, 220, 40)
    return clip


def write_sam2s(home: Path) -> Sam2s:
    """Build the package's predictor and write its weights for both libraries."""
    import torch
    from sam2.build_sam import build_sam2_video_predictor

    torch.manual_seed(0)
    predictor = build_sam2_video_predictor("configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu")
    checkpoint = home / "sam2.1_hiera_tiny.pt"
    torch.save({"model": predictor.state_dict()}, checkpoint)
    return Sam2s(predictor, checkpoint, write_transformers_folder(predictor, home / "hf"))


def small_package(size: int = 256) -> Any:
    """The package's smallest network with random weights, shown smaller frames than it was made for."""
    import torch
    from sam2.build_sam import build_sam2_video_predictor

    torch.manual_seed(0)
    predictor = build_sam2_video_predictor(
        "configs/sam2.1/sam2.1_hiera_t.yaml",
        device="cpu",
        hydra_overrides_extra=[f"++model.image_size={size}"],
    )
    predictor.fill_hole_area = 0
    return predictor


def write_transformers_folder(predictor: Any, folder: Path) -> Path:
    """The package's weights as transformers' `Sam2VideoModel`, with its processor, by `save_pretrained`."""
    import torch
    from transformers import Sam2VideoConfig, Sam2VideoModel

    weights = {_as_in_transformers(name): each for name, each in predictor.state_dict().items()}
    points = [weights.pop(f"prompt_encoder.point_embed.{number}.weight") for number in range(4)]
    weights["prompt_encoder.point_embed.weight"] = torch.cat(points)
    shared = "prompt_encoder.shared_embedding.positional_embedding"
    weights["shared_image_embedding.positional_embedding"] = weights[shared]
    model = Sam2VideoModel(Sam2VideoConfig())
    model.load_state_dict(weights)
    model.save_pretrained(folder)
    _sam2_processor(1024).save_pretrained(folder)
    return folder


def write_small_sam2(folder: Path, size: int = 128) -> Path:
    """A small SAM 2 that sees frames of `size` pixels, as transformers saves it."""
    import torch
    from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VideoModel, Sam2VisionConfig

    torch.manual_seed(0)
    backbone = Sam2HieraDetConfig(
        hidden_size=16,
        image_size=[size, size],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[16, 32, 64, 128],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        global_attention_blocks=[3],
        window_size_per_stage=[8, 4, 4, 2],
    )
    shape = Sam2VideoConfig(
        vision_config=Sam2VisionConfig(
            backbone_config=backbone,
            backbone_channel_list=[128, 64, 32, 16],
            backbone_feature_sizes=[[size // each] * 2 for each in (4, 8, 16)],
            fpn_hidden_size=WIDTH,
        ),
        image_size=size,
        **_tracking(size, 16),
    )
    Sam2VideoModel(shape).save_pretrained(folder)
    _sam2_processor(size).save_pretrained(folder)
    return folder


def write_small_sam3(folder: Path, size: int = 112) -> Path:
    """A small SAM 3 that sees frames of `size` pixels, and is as easily convinced as random weights need it to be."""
    import torch
    from transformers import (
        CLIPTokenizer,
        Sam2VideoVideoProcessor,
        Sam3Config,
        Sam3ImageProcessor,
        Sam3TrackerVideoConfig,
        Sam3VideoConfig,
        Sam3VideoModel,
        Sam3VideoProcessor,
    )

    torch.manual_seed(0)
    letters = [*string.ascii_lowercase, *(each + "</w>" for each in string.ascii_lowercase)]
    words = [*letters, "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])
    layers = {"num_layers": 1, "intermediate_size": 64, "hidden_size": WIDTH, "num_attention_heads": 2}
    detector = Sam3Config(
        vision_config=_sam3_vision(size),
        text_config={
            "model_type": "clip_text_model",
            "vocab_size": len(tokenizer),
            "hidden_size": WIDTH,
            "intermediate_size": 64,
            "projection_dim": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "eos_token_id": len(tokenizer) - 1,
        },
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config={**layers, "num_queries": 4},
        mask_decoder_config={"hidden_size": WIDTH, "num_attention_heads": 2},
    )
    tracker = Sam3TrackerVideoConfig(vision_config=_sam3_vision(size), **_tracking(size, 14))
    shape = Sam3VideoConfig(
        detector_config=detector,
        tracker_config=tracker,
        low_res_mask_size=size // 14 * 4,
        score_threshold_detection=0.0,
        new_det_thresh=0.0,
        assoc_iou_thresh=0.0,
        trk_assoc_iou_thresh=0.0,
        hotstart_delay=0,
        recondition_every_nth_frame=2,
        high_conf_thresh=0.0,
        high_iou_thresh=0.0,
    )
    shape.image_size = size
    model = Sam3VideoModel(shape)
    model.tracker_model.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(
        1.0
    )  # what is followed is there
    model.save_pretrained(folder)
    square = {"height": size, "width": size}
    grey = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    Sam3VideoProcessor(
        Sam3ImageProcessor(size=square), Sam2VideoVideoProcessor(size=square, **grey), tokenizer
    ).save_pretrained(folder)
    return folder


def _sam2_processor(size: int) -> Any:
    from transformers import Sam2ImageProcessor, Sam2VideoProcessor, Sam2VideoVideoProcessor

    square = {"height": size, "width": size}
    return Sam2VideoProcessor(Sam2ImageProcessor(size=square), Sam2VideoVideoProcessor(size=square))


def _sam3_vision(size: int) -> Any:
    from transformers import Sam3VisionConfig, Sam3ViTConfig

    backbone = Sam3ViTConfig(
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=size,
        pretrain_image_size=size // 2,
        window_size=4,
        global_attn_indexes=[1],
    )
    grid = size // 14
    return Sam3VisionConfig(
        backbone_config=backbone,
        fpn_hidden_size=WIDTH,
        backbone_feature_sizes=[[grid * each] * 2 for each in (4, 2, 1)],
    )


def _tracking(size: int, patch: int) -> dict[str, Any]:
    """What the two generations share, small."""
    return {
        "prompt_encoder_config": {"hidden_size": WIDTH, "image_size": size, "patch_size": patch},
        "mask_decoder_config": {
            "hidden_size": WIDTH,
            "mlp_dim": 64,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": WIDTH,
        },
        "memory_attention_hidden_size": WIDTH,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 64,
        "memory_attention_rope_feat_sizes": [size // patch] * 2,
        "memory_encoder_hidden_size": WIDTH,
        "mask_downsampler_embed_dim": WIDTH,
        "memory_fuser_embed_dim": WIDTH,
        "memory_fuser_intermediate_dim": 64,
    }


HEADS = r"(iou_prediction_head|pred_obj_score_head|output_hypernetworks_mlps\.\d|object_pointer_proj)"
TWO_LAYERS = r"(blocks\.\d+\.mlp|transformer\.layers\.\d+\.mlp)"
RENAMED = (
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
    (r"^sam_(prompt_encoder|mask_decoder)\.", r"\1."),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"point_embeddings\.", "point_embed."),
    (r"mask_downscaling\.0\.", "mask_embed.conv1."),
    (r"mask_downscaling\.1\.", "mask_embed.layer_norm1."),
    (r"mask_downscaling\.3\.", "mask_embed.conv2."),
    (r"mask_downscaling\.4\.", "mask_embed.layer_norm2."),
    (r"mask_downscaling\.6\.", "mask_embed.conv3."),
    (r"output_upscaling\.0\.", "upscale_conv1."),
    (r"output_upscaling\.1\.", "upscale_layer_norm."),
    (r"output_upscaling\.3\.", "upscale_conv2."),
    (r"memory_encoder\.out_proj\.", "memory_encoder.projection."),
    (r"memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
    (r"memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
    (r"encoder\.12\.", "final_conv."),
    (r"dwconv", "depthwise_conv"),
    (r"pwconv", "pointwise_conv"),
    (r"\.gamma", ".scale"),
    (r"out_proj", "o_proj"),
    (r"\.norm", ".layer_norm"),
    (r"^maskmem_tpos_enc", "memory_temporal_positional_encoding"),
    (r"^no_mem_embed", "no_memory_embedding"),
    (r"^no_mem_pos_enc", "no_memory_positional_encoding"),
    (r"^no_obj_ptr", "no_object_pointer"),
    (r"^no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"),
    (r"^obj_ptr_tpos_proj", "temporal_positional_encoding_projection_layer"),
    (r"^obj_ptr_proj", "object_pointer_proj"),
    (TWO_LAYERS + r"\.layers\.0", r"\1.proj_in"),
    (TWO_LAYERS + r"\.layers\.1", r"\1.proj_out"),
    (HEADS + r"\.layers\.0", r"\1.proj_in"),
    (HEADS + r"\.layers\.2", r"\1.proj_out"),
    (HEADS + r"\.layers\.1", r"\1.layers.0"),
)
DOWNSAMPLER = re.compile(r"mask_downsampler\.encoder\.(\d+)")


def _as_in_transformers(name: str) -> str:
    for pattern, name_there in RENAMED:
        name = re.sub(pattern, name_there, name)
    layer = DOWNSAMPLER.search(name)
    if layer is None:
        return name
    place, kind = divmod(int(layer[1]), 3)
    return name.replace(layer[0], f"mask_downsampler.layers.{place}.{('conv', 'layer_norm')[kind]}")
