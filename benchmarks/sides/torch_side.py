"""Measures Vision Transformers in PyTorch, for benchmarks that compare them with this project.

This script runs in a Python environment that has PyTorch but not this project's packages, so it
imports nothing of this project. The script answers requests from `benchmarks/sides/process.py`. If
timm is installed, the script measures timm's model; if not, it measures the class `ViT` below. Like
timm, `ViT` computes queries, keys and values in one matrix product, and uses
`scaled_dot_product_attention`.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Attention(nn.Module):
    """Multi-head attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Maps tokens, float32 [B, N, D], to tokens of the same shape."""
        batch, count, width = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, count, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self.out(attended.transpose(1, 2).reshape(batch, count, width))


class Block(nn.Module):
    """An encoder block."""

    def __init__(self, width: int, heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_dim), nn.GELU(approximate="tanh"), nn.Linear(mlp_dim, width)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Maps tokens, float32 [B, N, D], to tokens of the same shape."""
        tokens = tokens + self.attention(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class ViT(nn.Module):
    """A Vision Transformer that returns features of the class token, or logits."""

    def __init__(
        self,
        *,
        image_size: int,
        patch_size: int,
        width: int,
        depth: int,
        heads: int,
        mlp_dim: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(3, width, patch_size, patch_size)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, (image_size // patch_size) ** 2 + 1, width))
        self.blocks = nn.Sequential(*(Block(width, heads, mlp_dim) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes) if classes else nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images, float32 [B, 3, H, W], to features, [B, D], or logits, [B, classes]."""
        patches = self.embedding(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(images), -1, -1), patches], dim=1)
        return self.head(self.norm(self.blocks(tokens + self.positions))[:, 0])


def make_model(architecture: dict[str, int], classes: int) -> tuple[nn.Module, str]:
    """Makes a model that returns logits, or features if `classes` is 0.

    Returns:
      The model, and the name of its implementation.
    """
    try:
        import timm
        from timm.models.vision_transformer import VisionTransformer
    except ImportError:
        return ViT(**architecture, classes=classes), f"PyTorch {torch.__version__}"
    model = VisionTransformer(
        img_size=architecture["image_size"],
        patch_size=architecture["patch_size"],
        embed_dim=architecture["width"],
        depth=architecture["depth"],
        num_heads=architecture["heads"],
        mlp_ratio=architecture["mlp_dim"] / architecture["width"],
        num_classes=classes,
    )
    return model, f"timm {timm.__version__}, PyTorch {torch.__version__}"


class Steps:
    """Answers the requests of the benchmarks; each public method answers one kind of request."""

    def __init__(self) -> None:
        self._steps: dict[str, Callable[[], Any]] = {}
        # Allow PyTorch to round float32 products to TensorFloat-32, as TensorFlow does on a GPU.
        torch.set_float32_matmul_precision("high")

    def prepare(
        self,
        *,
        name: str,
        kind: str,
        architecture: dict[str, int],
        batch_size: int,
        precision: str,
        compiled: bool,
        classes: int = 0,
    ) -> dict[str, Any]:
        """Prepares a forward or training step of a new model, and runs three steps to warm up.

        Args:
          name: the name by which later requests refer to the step.
          kind: "forward" or "training".
          architecture: the keyword arguments of `ViT`.
          batch_size: the number of images in a batch.
          precision: "float32", or "mixed_bfloat16" for autocast.
          compiled: whether the model is compiled with `torch.compile`.
          classes: the number of classes of the head; 0 for no head.
        """
        if DEVICE.type == "cuda":  # free the memory of earlier steps
            self._steps.clear()
            torch.cuda.empty_cache()
        torch.manual_seed(0)
        model, implementation = make_model(architecture, classes)
        model = model.to(DEVICE)
        run = torch.compile(model) if compiled else model
        size = architecture["image_size"]
        images = torch.rand(batch_size, 3, size, size, device=DEVICE) * 2 - 1
        is_mixed = precision == "mixed_bfloat16"

        def autocast() -> contextlib.AbstractContextManager:
            return torch.autocast(DEVICE.type, torch.bfloat16, enabled=is_mixed)

        def forward() -> torch.Tensor:
            with torch.inference_mode(), autocast():
                return run(images).float().cpu()

        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        labels = torch.arange(batch_size, device=DEVICE) % max(classes, 1)

        def training() -> torch.Tensor:
            optimizer.zero_grad(set_to_none=True)
            with autocast():
                outputs = run(images)
                if classes:
                    loss = functional.cross_entropy(outputs, labels)
                else:
                    loss = (outputs.float() ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        self._steps[name] = forward if kind == "forward" else training
        self.run(name, 3)
        device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "CPU"
        return {"implementation": implementation, "device": device}

    def run(self, name: str, steps: int) -> dict[str, Any]:
        """Runs the prepared step `steps` times; returns the duration in seconds."""
        started = time.perf_counter()
        for _ in range(steps):
            last = self._steps[name]()
        last.sum().item()  # `item` waits until the device has computed `last`
        return {"seconds": time.perf_counter() - started}

    def peak(self) -> dict[str, Any]:
        """Returns the device's peak memory since the previous call, in MiB; None on a CPU."""
        if DEVICE.type != "cuda":
            return {"mib": None}
        peak = torch.cuda.max_memory_allocated() / 2**20
        torch.cuda.reset_peak_memory_stats()
        return {"mib": peak}


def main() -> None:
    """Answers requests until stdin ends, like `serve` in `process.py`."""
    steps = Steps()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = getattr(steps, request.pop("do"))(**request)
        except (RuntimeError, torch.OutOfMemoryError) as error:
            reply = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
