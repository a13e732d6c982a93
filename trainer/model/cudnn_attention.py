"""Calls cuDNN's attention kernels from TensorFlow functions that XLA compiles for a GPU."""

import functools
import json
from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow.compiler.mlir.stablehlo import stablehlo
from tensorflow.compiler.tf2xla.python import xla

_ELEMENTS = {tf.bfloat16: ("bf16", "BF16"), tf.float16: ("f16", "F16")}
DTYPES = tuple(_ELEMENTS)
# The largest size of an attention head that cuDNN's attention kernels support on every GPU. cuDNN
# also requires that the size of an attention head is a multiple of 8.
MAX_HEAD_SIZE = 128
_ARTIFACT_VERSION = "1.0.0"  # version of the StableHLO format
_CALL_VERSION = 9  # version of TensorFlow's operation XlaCallModule


def has_kernels() -> bool:
    """Whether this machine has GPUs, and all of them support cuDNN's attention kernels.

    cuDNN's attention kernels need compute capability 8.0 or higher.
    """
    gpus = tf.config.list_physical_devices("GPU")
    details = map(tf.config.experimental.get_device_details, gpus)
    return bool(gpus) and all(gpu.get("compute_capability", (0, 0)) >= (8, 0) for gpu in details)


def forward(scale: float, *inputs: tf.Tensor) -> list[tf.Tensor]:
    """Calls cuDNN's forward kernel.

    Args:
      scale: the factor by which attention scores are multiplied before the softmax.
      inputs: queries, keys and values, [B, T, N, H].

    Returns:
      The attended values, [B, T, N, H], and the statistics of the softmax, float32 [B, N, T].
    """
    batch, tokens, heads, size = inputs[0].shape
    element = inputs[0].dtype
    outputs = [tf.TensorSpec([batch, heads, tokens, size], element)]
    statistics = tf.TensorSpec([batch, heads, tokens], tf.float32)
    dimensions = {"bmm1": ((3, 3), (0, 2), (0, 2)), "bmm2": ((3, 1), (0, 1), (0, 2))}
    return _call(
        "__cudnn$fmhaSoftmax",
        inputs,
        transposed=outputs,
        more=[statistics],
        scale=scale,
        dimensions=dimensions,
    )


def backward(scale: float, *inputs: tf.Tensor) -> list[tf.Tensor]:
    """Calls cuDNN's backward kernel.

    Args:
      scale: the factor by which attention scores are multiplied before the softmax.
      inputs: six tensors, in this order: queries, keys, values, the softmax statistics that
        `forward` returned, the gradient of the attended values, and the attended values.

    Returns:
      The gradients of queries, keys and values, [B, T, N, H].
    """
    batch, tokens, heads, size = inputs[0].shape
    outputs = [tf.TensorSpec([batch, heads, tokens, size], inputs[0].dtype)] * 3
    dimensions = {
        "bmm1_grad_gemm1": ((2, 1), (0, 1), (0, 2)),
        "bmm1_grad_gemm2": ((3, 1), (0, 1), (0, 2)),
        "bmm2_grad_gemm1": ((2, 1), (0, 1), (0, 2)),
        "bmm2_grad_gemm2": ((3, 3), (0, 2), (0, 2)),
    }
    return _call(
        "__cudnn$fmhaSoftmaxBackward",
        inputs,
        transposed=outputs,
        more=[],
        scale=scale,
        dimensions=dimensions,
    )


def _call(
    target: str,
    inputs: Iterable[tf.Tensor],
    *,
    transposed: list[tf.TensorSpec],
    more: list[tf.TensorSpec],
    scale: float,
    dimensions: dict[str, tuple],
) -> list[tf.Tensor]:
    """Calls a cuDNN kernel through an XLA custom call.

    JAX calls the same custom-call targets: `_dot_product_attention_fwd_cuda_lowering` and
    `_dot_product_attention_bwd_cuda_lowering` in jax/_src/cudnn/fused_attention_stablehlo.py.

    Args:
      target: the name of the custom-call target.
      inputs: the operands of the custom call.
      transposed: the shapes, [B, N, T, H], and types of the first results: the attended values, or
        the gradients of queries, keys and values. In memory, these results have the order
        [B, T, N, H].
      more: the shapes and types of the other results, without cuDNN's workspace.
      scale: the factor by which attention scores are multiplied before the softmax.
      dimensions: for each matrix product, by name, three pairs: the contracting dimensions of the
        left and the right operand, the two batch dimensions of the left operand, and the two batch
        dimensions of the right operand.

    Returns:
      The results of the custom call, without cuDNN's workspace. The results with the specs
      `transposed` are transposed to [B, T, N, H].
    """
    inputs = list(inputs)
    types = [_type(tensor) for tensor in inputs]
    results = [
        *map(_type, transposed),
        *map(_type, more),
        "tensor<0xui8>",  # cuDNN's workspace, the last result of the custom call
    ]
    layouts = [
        *(_layout([3, 1, 2, 0]) for _ in transposed),
        *(_layout(range(len(spec.shape) - 1, -1, -1)) for spec in more),
        _layout([0]),
    ]
    batch, heads, tokens, size = transposed[0].shape
    rows = tf.TensorSpec([batch, tokens, heads, size], transposed[0].dtype)
    config = _backend_config(transposed[0], tokens, scale, dimensions)
    arguments = [f"%arg{k}" for k in range(len(inputs))]
    turned = [f"%turned{k}" for k in range(len(transposed))]
    returned = turned + [f"%call#{len(transposed) + k}" for k in range(len(more))]
    returned_types = [_type(rows) for _ in transposed] + list(map(_type, more))
    module = f"""module @attention {{
  func.func public @main({", ".join(map(": ".join, zip(arguments, types, strict=True)))})
      -> ({", ".join(returned_types)}) {{
    %call:{len(results)} = stablehlo.custom_call @"{target}"({", ".join(arguments)}) {{
      api_version = 2 : i32,
      backend_config = {json.dumps(json.dumps(config))},
      operand_layouts = [{", ".join(_layout(range(len(x.shape) - 1, -1, -1)) for x in inputs)}],
      result_layouts = [{", ".join(layouts)}]
    }} : ({", ".join(types)}) -> ({", ".join(results)})
"""
    for k, name in enumerate(turned):
        module += (
            f"    {name} = stablehlo.transpose %call#{k}, dims = [0, 2, 1, 3] : "
            f"({results[k]}) -> {_type(rows)}\n"
        )
    module += f"    return {', '.join(returned)} : {', '.join(returned_types)}\n  }}\n}}\n"
    specs = [*(rows for _ in transposed), *more]
    return list(
        xla.call_module(
            inputs,
            version=_CALL_VERSION,
            module=_serialize(module),
            Tout=[spec.dtype for spec in specs],
            Sout=[spec.shape for spec in specs],
            platforms=("CUDA",),
            disabled_checks=(xla.call_module_disable_check_platform(),),
        )
    )


@functools.lru_cache
def _serialize(module: str) -> bytes:
    return stablehlo.serialize_portable_artifact_str(module, _ARTIFACT_VERSION)


def _type(tensor: Any) -> str:
    element = "f32" if tensor.dtype == tf.float32 else _ELEMENTS[tensor.dtype][0]
    return f"tensor<{'x'.join(map(str, tensor.shape))}x{element}>"


def _layout(minor_to_major: Iterable[int]) -> str:
    order = list(minor_to_major)
    return f"dense<{order}> : tensor<{len(order)}xindex>"


def _backend_config(
    output: tf.TensorSpec, tokens: int, scale: float, dimensions: dict[str, tuple]
) -> dict[str, Any]:
    """Returns the backend configuration of the custom call, as a dictionary of JSON values.

    Its form is the message GpuBackendConfig of xla/service/gpu/backend_configs.proto.
    """
    batch, heads = output.shape[:2]
    return {
        "operation_queue_id": "0",
        "wait_on_operation_queues": [],
        "cudnn_fmha_backend_config": {
            "algorithm": {
                "algo_id": "0",
                "math_type": "TENSOR_OP_MATH",
                "tuning_knobs": {"17": "1", "24": "0"},
                "is_cudnn_frontend": True,
                "workspace_size": "0",
            },
            "fmha_scale": scale,
            "intermediate_tensor_shape": {
                "element_type": _ELEMENTS[output.dtype][1],
                "dimensions": list(map(str, (batch, heads, tokens, tokens))),
                "tuple_shapes": [],
                "layout": {"minor_to_major": ["3", "2", "1", "0"]},
                "is_dynamic_dimension": [False] * 4,
            },
            "is_flash_attention": True,
            "mask_type": "NO_MASK",
            "dropout_rate": 0.0,
            "seed": 42,
            "sliding_window_length": 0,
            "max_seg_per_batch": 1,
            "is_paged_attention": False,
            **{
                f"{name}_dot_dimension_numbers": {
                    "lhs_contracting_dimensions": [str(contracting[0])],
                    "rhs_contracting_dimensions": [str(contracting[1])],
                    "lhs_batch_dimensions": list(map(str, left)),
                    "rhs_batch_dimensions": list(map(str, right)),
                }
                for name, (contracting, left, right) in dimensions.items()
            },
        },
    }
