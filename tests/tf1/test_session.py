"""Sessions: what is compiled and how often, feeds, variables, and helpful errors."""

import numpy as np
import pytest

import nervure as nv
import nervure.tf1 as tf
from nervure.errors import ArgumentError, DTypeError, NervureError, ShapeError


def line_of(error):
    return "test_session.py:" in str(error.value)


def test_the_same_fetches_are_compiled_once():
    x = tf.placeholder(tf.float32, [None, 3])
    w = tf.Variable(tf.ones([3, 2]))
    loss = tf.reduce_sum(tf.matmul(x, w))
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = session.compilations
        for _ in range(5):
            session.run(step, {x: np.ones((4, 3))})
        assert session.compilations == before + 1
        session.run(step, {x: np.ones((7, 3))})  # another shape
        assert session.compilations == before + 2
        session.run(step, {x: np.ones((4, 3))})  # the first one again
        session.run([step], {x: np.ones((7, 3))})  # the same fetches, in a list
        assert session.compilations == before + 2
        session.run([loss, step], {x: np.ones((4, 3))})
        assert session.compilations == before + 3


def test_what_a_program_does_not_depend_on():
    x = tf.placeholder(tf.float32, [None])
    y = tf.placeholder(tf.float32, [None])
    total = x + 2.0 * y
    with tf.Session() as session, nv.config.override(executor="auto"):
        for feed in ({x: [1.0], y: [3.0]}, {y: [3.0], x: [1.0]}, {"Placeholder_1:0":
                     np.array([3.0]), "Placeholder:0": np.array([1.0])}):  # fmt: skip
            assert session.run(total, feed).tolist() == [7.0]
        assert session.compilations == 1
        with nv.config.override(executor="reference"):
            session.run(total, {x: [1.0], y: [3.0]})
        assert session.compilations == 2


def test_it_runs_on_the_cpu_executor(monkeypatch):
    from nervure.exec.cpu.executor import CpuExecutor

    compiled = []
    original = CpuExecutor.compile

    def watched(self, graph):
        compiled.append(graph)
        return original(self, graph)

    monkeypatch.setattr(CpuExecutor, "compile", watched)
    x = tf.placeholder(tf.float32, [None])
    with tf.Session() as session, nv.config.override(executor="auto"):
        np.testing.assert_array_equal(session.run(x + 1.0, {x: [1.0]}), [2.0])
    assert len(compiled) == 1


def test_executors_agree():
    tf.set_random_seed(3)
    x = tf.random_normal([4, 3])
    y = tf.reduce_mean(tf.square(x), 1)
    with tf.Session() as one, nv.config.override(executor="reference"):
        expected = one.run(y)
    with tf.Session() as other:
        np.testing.assert_allclose(other.run(y), expected, rtol=1e-6)


def test_structures_of_fetches():
    a, b = tf.constant(1.0), tf.constant([2, 3])
    op = tf.no_op()
    with tf.Session() as session:
        found = session.run({"a": a, "rest": (b, [op, a])})
        assert found["a"] == 1 and isinstance(found["rest"], tuple)
        np.testing.assert_array_equal(found["rest"][0], [2, 3])
        assert found["rest"][1] == [None, 1.0]
        assert session.run(a.name) == 1 and session.run(op.name) is None
        assert session.run([]) == []
        assert isinstance(session.run(a), np.float32)


def test_results_belong_to_the_user():
    v = tf.Variable([1.0, 2.0])
    x = tf.placeholder(tf.float32, [2])
    change = v.assign_add(x)
    with tf.Session() as session:
        session.run(v.initializer)
        for fetch in (v, x, change, tf.constant([1.0, 2.0])):
            fed = np.ones(2, np.float32)
            session.run(fetch, {x: fed})[:] = 77
            assert fed.tolist() == [1.0, 1.0]
        assert session.run(v).tolist() == [2.0, 3.0]


def test_none_dimensions_stay_none():
    x = tf.placeholder(tf.float32, [None, 784])
    y = tf.nn.relu(tf.matmul(x, tf.zeros([784, 10])))
    assert y.get_shape().as_list() == [None, 10] and str(y.get_shape()) == "(?, 10)"
    image = tf.reshape(x, [-1, 28, 28, 1])
    pooled = tf.nn.max_pool(image, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    assert pooled.shape.as_list() == [None, 14, 14, 1]
    assert tf.reduce_sum(x, 0).shape.as_list() == [784]
    assert tf.reduce_sum(x, 1).shape.as_list() == [None]
    assert (x - tf.zeros([5, 784])).shape.as_list() == [5, 784]
    free = tf.placeholder(tf.float32)
    assert free.shape.ndims is None and (free + x).shape.ndims is None
    assert tf.reduce_mean(free).shape.as_list() == []
    both = tf.placeholder(tf.float32, [None, None])
    assert tf.matmul(both, tf.zeros([784, 10])).shape.as_list() == [None, 10]
    sized = tf.reshape(x, tf.stack([tf.shape(x)[0], 28, -1]))
    assert sized.shape.as_list() == [None, 28, 28]
    with tf.Session() as session:
        for rows in (3, 7):
            assert session.run(sized, {x: np.zeros((rows, 784))}).shape == (
                rows,
                28,
                28,
            )


def test_shapes_from_fed_values():
    n = tf.placeholder(tf.int32, [])
    x = tf.fill([n, 2], 3.0)
    assert x.shape.as_list() == [None, None]
    with tf.Session() as session:
        assert session.run(x, {n: 2}).tolist() == [[3, 3], [3, 3]]
        assert session.run(x, {n: 1}).tolist() == [[3, 3]]
        count = session.compilations
        session.run(x, {n: 2})
        assert session.compilations == count
    w = tf.Variable(2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="depends on the value"):
        tf.Session().run(tf.zeros([w + 1]))


def test_any_tensor_can_be_fed():
    v = tf.Variable(1.0)
    hidden = v * 2.0
    y = hidden + 1.0
    with tf.Session() as session:
        assert session.run(y, {hidden: 10.0}) == 11  # without a value of v
        assert session.run(y, {v: 4.0}) == 9
        assert session.run(y, {"mul:0": 20.0}) == 21
        assert session.run(hidden, {hidden: 5.0}) == 5


def test_each_session_has_its_own_values():
    v = tf.Variable(1.0)
    with tf.Session() as one, tf.Session() as other:
        one.run(v.initializer)
        other.run(v.initializer)
        one.run(v.assign(5.0))
        assert (one.run(v), other.run(v)) == (5, 1)


def test_reads_are_never_a_race():
    v = tf.Variable(1.0)
    new = v.assign(5.0)
    twice = v * 2.0
    with tf.control_dependencies([new]):
        after = v + 0.0
        also = tf.identity(v)
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run([new, twice, v]) == [5, 2, 1]
        session.run(v.initializer)
        assert session.run([after, also]) == [5, 5] and session.run(v) == 5
        inc = tf.assign_add(v, 1.0)
        assert session.run([inc, tf.assign_add(v, 10.0)]) == [6, 16]


def test_two_variables_with_one_value():
    a, b = tf.Variable(tf.zeros([2])), tf.Variable(tf.zeros([2]))
    x = tf.placeholder(tf.float32, [2])
    both = tf.group(a.assign(x + 1.0), b.assign(x + 1.0))
    with tf.Session() as session:
        session.run(both, {x: [1.0, 2.0]})
        session.run(a.assign_add([5.0, 5.0]))
        assert session.run(b).tolist() == [2, 3]


def test_seeds():
    tf.set_random_seed(1)
    a, b = tf.random_uniform([3]), tf.random_uniform([3])
    with tf.Session() as one, tf.Session() as other:
        first, second = one.run(a), one.run(a)
        one.run(b)
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(first, other.run(a))
        other.run(b), other.run(b)  # what other operations draw does not matter
        np.testing.assert_array_equal(second, other.run(a))
        assert not np.array_equal(first, other.run(b))
    with tf.Graph().as_default():
        free = tf.random_uniform([3])
        assert not np.array_equal(tf.Session().run(free), tf.Session().run(free))
        x = free + 0.0
        with tf.Session() as session:  # one draw in one run
            left, right = session.run([free, x])
            np.testing.assert_array_equal(left, right)


# --- errors --------------------------------------------------------------------------


def test_uninitialized_variable():
    v = tf.Variable(1.0, name="weights")
    with pytest.raises(tf.errors.FailedPreconditionError) as error:
        tf.Session().run(v + 1.0)
    assert "'weights' has no value" in str(error.value) and line_of(error)
    assert "global_variables_initializer" in str(error.value)
    names = tf.report_uninitialized_variables()
    session = tf.Session()
    assert session.run(names).tolist() == [b"weights"]
    assert not session.run(tf.is_variable_initialized(v))


def test_missing_feed():
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        tf.Session().run(x * 2.0)
    assert "placeholder x:0 is needed, but was not fed" in str(error.value)
    assert "float32[None, 2]" in str(error.value) and line_of(error)


def test_wrong_feeds():
    x = tf.placeholder(tf.float32, [None, 10], name="x")
    k = tf.placeholder(tf.int32, [], name="k")
    session = tf.Session()
    with pytest.raises(ShapeError) as error:
        session.run(x, {x: np.zeros((64, 784))})
    assert "(64, 784) for the tensor x:0, which has shape (?, 10)" in str(error.value)
    assert line_of(error)
    with pytest.raises(DTypeError, match="with a fraction"):
        session.run(k, {k: 1.5})
    with pytest.raises(DTypeError, match="expected numbers for x:0"):
        session.run(x, {x: "text"})
    with pytest.raises(ArgumentError, match="is a tensor of the graph"):
        session.run(x, {x: k})
    with pytest.raises(ShapeError, match="value for x:0"):
        session.run(x, {x: [[1.0], [1.0, 2.0]]})
    with pytest.raises(NervureError, match="did you mean 'x'"):
        session.run(x, {"X:0": 1.0})
    assert session.run(k, {k: np.int64(3)}) == 3


def test_fetch_from_another_graph():
    with tf.Graph().as_default():
        other = tf.constant(1.0, name="other")
    mine = tf.constant(2.0)
    with pytest.raises(ArgumentError) as error:
        tf.Session().run(other)
    assert "not an element of this graph" in str(error.value) and line_of(error)
    with pytest.raises(ArgumentError, match="belongs to another graph"):
        mine + other
    with pytest.raises(ArgumentError, match="runs another graph"), tf.Session():
        other.eval()


def test_closed_sessions_and_none():
    x = tf.constant(1.0)
    with pytest.raises(ArgumentError, match="no session in use"):
        x.eval()
    session = tf.InteractiveSession()
    assert x.eval() == 1
    session.close()
    with pytest.raises(ArgumentError, match="closed"):
        session.run(x)
    with pytest.raises(ArgumentError, match="no session in use"):
        x.eval()
    with tf.Session() as used:
        assert x.eval() == 1 and tf.get_default_session() is used


def test_a_tensor_has_no_value():
    x = tf.constant(1.0)
    with pytest.raises(NervureError, match="until a session runs it"):
        bool(x > 0)
    with pytest.raises(NervureError, match="until a session runs it"):
        np.asarray(x)


def test_failing_runs_change_nothing():
    v = tf.Variable(1.0)
    x = tf.placeholder(tf.float32, [])
    check = tf.Assert(x > 0.0, ["x is", x])
    with tf.control_dependencies([check]):
        change = v.assign(x)
    with tf.Session() as session:
        session.run(v.initializer)
        session.run(change, {x: 3.0})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"x is \[-1\]"):
            session.run(change, {x: -1.0})
        assert session.run(v) == 3
        with pytest.raises(tf.errors.InvalidArgumentError, match="loss: 1 of 1"):
            session.run(tf.check_numerics(tf.log(x), "loss"), {x: -1.0})


def test_errors_in_a_run_name_the_line_of_the_operation():
    x, y = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.float32, [None])
    total = x + y
    with pytest.raises(ShapeError) as error:
        tf.Session().run(total, {x: [1.0, 2.0], y: [1.0, 2.0, 3.0]})
    line = total.op.site.line
    assert f"test_session.py:{line}" in str(error.value)


def test_program_graph_shows_our_graph():
    x = tf.placeholder(tf.float32, [None], name="x")
    session = tf.Session()
    graph = session.program_graph(tf.tanh(x), {x: [1.0, 2.0]})
    assert "tanh" in str(graph) and "float32[2]" in str(graph)


def test_finalized_graph_and_stateful_loops_do_not_grow():
    x = tf.placeholder(tf.float32, [])
    v = tf.Variable(0.0)
    step = v.assign_add(x)
    graph = tf.get_default_graph()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        graph.finalize()
        for _ in range(3):
            session.run(step, {x: 1.0})
            session.run(v)
        with pytest.raises(ArgumentError, match="finalized"):
            tf.constant(1.0)


def test_print_goes_on(capsys):
    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    with tf.Session() as session:
        session.run(tf.Print(x, [x, tf.reduce_sum(x)], "see: ", summarize=2))
    assert capsys.readouterr().out == "see: [1 2...][10]\n"


def test_make_callable():
    x = tf.placeholder(tf.float32, [])
    with tf.Session() as session:
        assert session.make_callable(x * 3.0, [x])(2.0) == 6


def test_text_constant():
    with tf.Session() as session:
        assert session.run(tf.constant("Hello, TensorFlow!")) == b"Hello, TensorFlow!"


def test_options_of_tensorflow_are_taken_and_misspelt_ones_are_not():
    options = tf.GPUOptions(per_process_gpu_memory_fraction=0.3)
    config = tf.ConfigProto(gpu_options=options, intra_op_parallelism_threads=1)
    config.gpu_options.allow_growth = True
    with tf.Session(config=config) as session:
        assert session.run(tf.constant([1.0, 2.0])).tolist() == [1.0, 2.0]
    with pytest.raises(AttributeError, match="allow_grwoth"):
        config.gpu_options.allow_grwoth = True
    with pytest.raises(TypeError, match="allow_hard_placement"):
        tf.ConfigProto(allow_hard_placement=True)
