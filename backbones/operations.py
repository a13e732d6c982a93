"""Which operations of TensorFlow do more than compute, as data.

A SavedModel is a program. To TensorFlow, an operation that reads a file is one among 1,910, and it
runs with the rights of whoever loads the model, some of them on loading. The list here is one of
what is allowed, not of what is refused, so that an operation of a later TensorFlow is refused
until somebody has looked at it:

- an operation that TensorFlow registers as stateless is allowed, since its outputs are to follow
  from its inputs alone, but for those of `NOT_PURE`, which are registered so and are not;
- an operation that TensorFlow registers as stateful is refused, but for those of `STATEFUL`, whose
  state is in the memory of the process: variables, tables, random generators, data sets of tensors;
- operations whose names begin with an underscore are TensorFlow's own and stand in no SavedModel.

Sources: tf.raw_ops and the kernels of TensorFlow 2.21 in tensorflow/core/kernels.
"""

import re

# Registered as stateless, though they reach further than their inputs and outputs.
NOT_PURE = frozenset(
    {
        # files
        "CacheDataset",
        "DecodeProtoV2",
        "EncodeProto",
        "GenerateVocabRemapping",
        "ImmutableConst",
        "InitializeTableFromTextFile",
        "MatchingFiles",
        "ReadFile",
        "SnapshotChunkDataset",
        "SnapshotDataset",
        "SnapshotDatasetReader",
        "SnapshotDatasetV2",
        "SnapshotNestedDatasetReader",
        # the network
        "RegisterDataset",
        "RegisterDatasetV2",
        # the debugger, which writes to files and to the network
        "Copy",
        "CopyHost",
        "DebugIdentity",
        "DebugNanCount",
        "DebugNumericSummary",
        # Python, and code that does not stand in the graph as operations
        "DatasetFromGraph",
        "MlirPassthroughOp",
        "PyFuncStateless",
        "XlaCustomCall",
        "XlaCustomCallV2",
        # the end of the process
        "Abort",
    }
)

# Registered as stateful; their state is in memory. The functions that some of them call, such as
# `While`, stand in the graph as well. `XlaCallModule` is the StableHLO of models that jax2tf
# converted: it computes, and what it may call outside is registered by jaxlib, which is not here.
STATEFUL = re.compile(
    r"""
    VarHandleOp | ReadVariableOp | Assign(Add|Sub)?VariableOp | VarIsInitializedOp | VariableShape
    | Variable(V2)? | DestroyResourceOp | DisableCopyOnRead | TemporaryVariable | GuaranteeConst
    | Resource(Sparse)?Apply\w+ | ResourceGather(Nd)? | ResourceScatter\w+
    | ResourceStridedSliceAssign | ResourceCountUpTo

    | StatefulPartitionedCall | If | While | Case | XlaCallModule

    | (Anonymous)?HashTable(V2)? | (Anonymous)?Mutable(Dense)?HashTable(OfTensors)?(V2)?
    | LookupTable(Export|Find|Import|Insert|Remove|Size)V2 | InitializeTable(V2|FromDataset)?

    | RandomUniform(Int)? | RandomStandardNormal | (Parameterized)?TruncatedNormal | RandomShuffle
    | RandomGamma | RandomPoisson(V2)? | RandomCrop | Multinomial | SampleDistortedBoundingBox(V2)?
    | Stateful(Uniform|StandardNormal|TruncatedNormal|RandomBinomial)\w* | NonDeterministicInts
    | Rng(Skip|ReadAndSkip) | StatelessRandomGetAlg

    | (Tensor|TensorSlice|SparseTensorSlice|Range|List|Random|Reduce|Generator)Dataset(V2)?
    | Shuffle(AndRepeat)?Dataset(V[23])? | GroupByReducerDataset | GlobalShuffleDataset
    | ThreadPool(Dataset|Handle) | DatasetToSingleElement
    | (Anonymous)?(Iterator|MemoryCache|SeedGenerator|RandomSeedGenerator)(V[23])?
    | Dummy(MemoryCache|SeedGenerator|IterationCounter) | MakeIterator | OneShotIterator
    | IteratorGetNext(Sync|AsOptional)? | Delete(Iterator|MemoryCache|(Random)?SeedGenerator)

    | TensorArray\w* | Stack\w* | Empty | Assert | CheckNumerics(V2)? | CudnnRNN\w*
    """,
    re.VERBOSE,
)

# What a SavedModel saves and restores its variables with.
SAVE = frozenset({"MergeV2Checkpoints", "SaveV2"})
RESTORE = frozenset({"RestoreV2"})


def is_pure(name: str, *, stateful: bool) -> bool:
    """Whether an operation does nothing but compute.

    Args:
      name: the name of the operation.
      stateful: whether TensorFlow registers it as such.
    """
    if name.startswith("_"):
        return False
    return STATEFUL.fullmatch(name) is not None if stateful else name not in NOT_PURE
