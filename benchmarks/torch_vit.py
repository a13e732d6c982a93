"""A plain Vision Transformer in PyTorch, on the CPU, for `benchmarks/backbone.py` to compare with.

Runs in a Python that has torch, which this project does not need, and knows nothing of the rest:
reads `forward` or `training` from stdin, does it once, and prints the seconds it took. As in timm:
one product for queries, keys and values, and `scaled_dot_product_attention`.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Attention of several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """float32 [B, N, D] to the same."""
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
            nn.Linear(width, mlp_dim), nn.GELU("tanh"), nn.Linear(mlp_dim, width)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """float32 [B, N, D] to the same."""
        tokens = tokens + self.attention(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class ViT(nn.Module):
    """Features of the class token."""

    def __init__(
        self, *, image_size: int, patch_size: int, width: int, depth: int, heads: int, mlp_dim: int
    ) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(3, width, patch_size, patch_size)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, (image_size // patch_size) ** 2 + 1, width))
        self.blocks = nn.Sequential(*(Block(width, heads, mlp_dim) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [B, 3, H, W] to features, float32 [B, D]."""
        patches = self.embedding(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(images), -1, -1), patches], dim=1)
        return self.norm(self.blocks(tokens + self.positions))[:, 0]


def main() -> None:
    """Takes the batch size and the arguments of `ViT`, as JSON."""
    arguments = json.loads(sys.argv[1])
    batch_size = arguments.pop("batch_size")
    model = ViT(**arguments)
    size = arguments["image_size"]
    images = torch.rand(batch_size, 3, size, size) * 2 - 1
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def forward() -> None:
        with torch.inference_mode():
            model(images)

    def training() -> None:
        optimizer.zero_grad()
        (model(images) ** 2).mean().backward()
        optimizer.step()

    steps = {"forward": forward, "training": training}
    for line in sys.stdin:
        started = time.perf_counter()
        steps[line.strip()]()
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
