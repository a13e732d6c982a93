"""Lists the TensorFlow operations that are allowed in a SavedModel.

The author of a SavedModel can use any of TensorFlow's 1,910 operations, even those that read files.
Operations run with the rights of the user who loads the model, and some of them run during loading.
To protect the user, only operations that do nothing but compute are allowed.

- An operation that TensorFlow registers as stateless is allowed, unless `NOT_PURE` lists it. Most
  stateless operations only compute outputs from their inputs, but those in `NOT_PURE` do more.
- An operation that TensorFlow registers as stateful is refused, unless `STATEFUL` lists it. The
  operations in `STATEFUL` keep their state, for example a variable or a table, only in the memory
  of the process. A stateful operation that is new in a later version of TensorFlow is refused until
  somebody adds it to `STATEFUL`.
- An operation whose name begins with an underscore is internal to TensorFlow, and is refused: no
  regular SavedModel contains one.

Sources: tf.raw_ops and the kernels of TensorFlow 2.21 in tensorflow/core/kernels.
"""

import re

# The stateless operations that are refused, because they do more than compute outputs from their
# inputs.
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
        # operations of TensorFlow's debugger, which write to files and to the network
        "Copy",
        "CopyHost",
        "DebugIdentity",
        "DebugNanCount",
        "DebugNumericSummary",
        # operations that run Python code, or other code that this module cannot check
        "DatasetFromGraph",
        "MlirPassthroughOp",
        "PyFuncStateless",
        "XlaCustomCall",
        "XlaCustomCallV2",
        # operations that end the process
        "Abort",
    }
)

# The stateful operations that are allowed, because they keep their state only in memory. `While`
# and similar operations only call functions of the SavedModel, and `check_operations` checks the
# operations in these functions as well. `XlaCallModule` runs the StableHLO code of models that
# jax2tf converted. StableHLO can call external functions, but `XlaCallModule` is safe here: only
# jaxlib registers external functions, and this project does not install jaxlib.
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

# The operations that save and restore the variables of a SavedModel.
SAVE = frozenset({"MergeV2Checkpoints", "SaveV2"})
RESTORE = frozenset({"RestoreV2"})


def is_pure(name: str, *, stateful: bool) -> bool:
    """Whether an operation only computes, without access to files, the network or Python.

    Args:
      name: the name of the operation.
      stateful: whether TensorFlow registers the operation as stateful.
    """
    if name.startswith("_"):
        return False
    return STATEFUL.fullmatch(name) is not None if stateful else name not in NOT_PURE
