"""TensorFlow 1's graph and session on Nervure's one graph.

A script for TensorFlow 1 runs after ``import tensorflow as tf`` has become
``import nervure.tf1 as tf``: graphs, sessions, placeholders, variables, optimizers,
checkpoints and summaries, as far as the tutorials and most small programs use them.
``Session.run`` compiles what is fetched once for each shape that is fed.

What differs is written where it differs; the largest points are: reading a variable
while it changes is never a race (see :class:`Variable`), checkpoints are safetensors,
and shapes that depend on computed values (``tf.where`` without branches) do not exist.

>>> import nervure.tf1 as tf
>>> graph = tf.Graph()
>>> with graph.as_default():
...     x = tf.placeholder(tf.float32, [None])
...     y = tf.reduce_sum(x * x)
>>> with tf.Session(graph=graph) as session:
...     print(session.run(y, feed_dict={x: [1.0, 2.0, 3.0]}))
14.0
"""

from nervure.tf1 import (
    app,
    data_types,
    errors,
    gfile,
    initializers,
    layers,
    losses,
    nn,
    summary,
    train,
)
from nervure.tf1.clipping import clip_by_global_norm, clip_by_norm, global_norm
from nervure.tf1.control_flow import case, cond, while_loop
from nervure.tf1.creation import (
    eye,
    fill,
    linspace,
    multinomial,
    ones,
    ones_like,
    random_normal,
    random_shuffle,
    random_uniform,
    range,
    truncated_normal,
    zeros,
    zeros_like,
)
from nervure.tf1.data_types import (
    DType,
    as_dtype,
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    string,
    uint8,
    uint16,
    uint32,
    uint64,
)
from nervure.tf1.data_types import bool_ as bool
from nervure.tf1.data_types import float16 as half
from nervure.tf1.data_types import float64 as double
from nervure.tf1.elementwise import (
    abs,
    acos,
    add,
    add_n,
    asin,
    atan,
    atan2,
    cast,
    ceil,
    clip_by_value,
    cos,
    cosh,
    div,
    divide,
    equal,
    erf,
    exp,
    expm1,
    floor,
    floordiv,
    floormod,
    greater,
    greater_equal,
    is_finite,
    is_inf,
    is_nan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    mod,
    multiply,
    negative,
    not_equal,
    pow,
    realdiv,
    reciprocal,
    rint,
    round,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    squared_difference,
    subtract,
    tan,
    tanh,
    to_double,
    to_float,
    to_int32,
    to_int64,
    truediv,
)
from nervure.tf1.gradient import gradients
from nervure.tf1.graph import (
    Graph,
    GraphKeys,
    Operation,
    add_to_collection,
    control_dependencies,
    device,
    get_collection,
    get_default_graph,
    name_scope,
    reset_default_graph,
    set_random_seed,
)
from nervure.tf1.initializers import (
    constant_initializer,
    glorot_normal_initializer,
    glorot_uniform_initializer,
    ones_initializer,
    random_normal_initializer,
    random_uniform_initializer,
    truncated_normal_initializer,
    variance_scaling_initializer,
    zeros_initializer,
)
from nervure.tf1.linear import einsum, matmul, norm, tensordot
from nervure.tf1.manipulation import (
    broadcast_to,
    concat,
    expand_dims,
    pad,
    rank,
    reshape,
    reverse,
    shape,
    size,
    split,
    squeeze,
    stack,
    tile,
    transpose,
    unstack,
)
from nervure.tf1.manipulation import slice_ as slice
from nervure.tf1.ordering import (
    assert_ as Assert,  # noqa: N812 - TensorFlow's name
)
from nervure.tf1.ordering import (
    check_numerics,
    group,
    identity,
    no_op,
    stop_gradient,
)
from nervure.tf1.ordering import (
    print_ as Print,  # noqa: N812
)
from nervure.tf1.ordering import tuple_ as tuple
from nervure.tf1.picking import (
    boolean_mask,
    gather,
    gather_nd,
    meshgrid,
    one_hot,
    sequence_mask,
    unsorted_segment_sum,
    where,
)
from nervure.tf1.placeholders import constant, placeholder, placeholder_with_default
from nervure.tf1.reductions import (
    argmax,
    argmin,
    count_nonzero,
    cumsum,
    reduce_all,
    reduce_any,
    reduce_logsumexp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
)
from nervure.tf1.scopes import (
    AUTO_REUSE,
    VariableScope,
    get_variable,
    get_variable_scope,
    variable_scope,
)
from nervure.tf1.session import InteractiveSession, Session, get_default_session
from nervure.tf1.session_options import ConfigProto, GPUOptions
from nervure.tf1.shapes import Dimension, TensorShape
from nervure.tf1.tensor import Tensor, convert_to_tensor, is_tensor
from nervure.tf1.variables import (
    Variable,
    all_variables,
    assign,
    assign_add,
    assign_sub,
    global_variables,
    global_variables_initializer,
    initialize_all_variables,
    is_variable_initialized,
    local_variables,
    local_variables_initializer,
    report_uninitialized_variables,
    scatter_add,
    scatter_update,
    trainable_variables,
    variables_initializer,
)

# Names that are more than one thing to TensorFlow.
neg = negative
dtypes = data_types
newaxis = None
__version__ = "1.15.0"
VERSION = __version__


def __getattr__(name: str) -> object:
    from nervure.errors import nearest_names

    near = [one for one in nearest_names(name, globals()) if not one.startswith("_")]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise AttributeError(f"nervure.tf1 has no {name!r}{hint}")
