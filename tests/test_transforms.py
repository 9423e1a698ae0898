"""Differentiating functions of arrays."""

import numpy as np
import pytest

import nervure as nv
from nervure.errors import GradientError, ShapeError


def x64(*values: float) -> nv.Array:
    return nv.asarray(np.array(values))


def test_grad_of_nested_arguments_has_their_structure() -> None:
    parameters = {"w": x64(1.0, 2.0), "layers": [x64(3.0), (x64(4.0),)]}

    def loss(p: dict) -> nv.Array:
        return nv.sum(p["w"] ** 2) * p["layers"][0][0] * p["layers"][1][0][0]

    value, gradient = nv.value_and_grad(loss)(parameters)
    assert float(value) == 60
    assert gradient["w"].tolist() == [24, 48]
    assert gradient["layers"][0].tolist() == [20]
    assert gradient["layers"][1][0].tolist() == [15]


def test_several_arguments_and_keywords() -> None:
    def f(x: nv.Array, y: nv.Array, *, scale: float) -> nv.Array:
        return nv.sum(x * y) * scale

    dx, dy = nv.grad(f, argnums=(0, -1))(x64(1.0), x64(2.0), scale=3.0)
    assert dx.tolist() == [6] and dy.tolist() == [3]


def test_aux_values_come_along() -> None:
    def f(x: nv.Array) -> tuple:
        y = x * 2
        return nv.sum(y), {"y": y}

    (value, aux), gradient = nv.value_and_grad(f, has_aux=True)(x64(1.0, 2.0))
    assert float(value) == 6 and aux["y"].tolist() == [2, 4]
    assert gradient.tolist() == [2, 2]
    gradient, aux = nv.grad(f, has_aux=True)(x64(1.0, 2.0))
    assert aux["y"].tolist() == [2, 4] and gradient.tolist() == [2, 2]


def test_the_argument_is_told_from_the_same_array_in_the_closure() -> None:
    x = x64(3.0)
    assert nv.grad(lambda v: nv.sum(v * x))(x).tolist() == [3]
    p = nv.parameter(np.array([3.0]), name="p")
    assert nv.grad(lambda v: nv.sum(v * p))(p).tolist() == [3]


def test_gradients_reach_parameters_in_the_closure_of_grad() -> None:
    """d/dp of the gradient d/dx (p x^2) = 2 p x is 2 x."""
    p = nv.parameter(np.array(5.0), name="p")
    slope = nv.grad(lambda x: p * x**2)(nv.asarray(np.array(3.0)))
    assert float(slope) == 30
    assert float(nv.gradients(slope, p)) == 6


def test_python_control_flow_may_look_at_values() -> None:
    def f(x: nv.Array) -> nv.Array:
        while float(x) < 100:
            x = x * x
        return x

    assert float(nv.grad(f)(nv.asarray(np.array(3.0)))) == 8 * 3.0**7


def test_values_looked_at_on_the_way_do_not_cut_the_gradient() -> None:
    def f(x: nv.Array) -> nv.Array:
        y = nv.tanh(x)
        assert np.isfinite(float(y))
        return y * y

    t = np.tanh(0.5)
    result = float(nv.grad(f)(nv.asarray(np.array(0.5))))
    assert result == pytest.approx(2 * t * (1 - t**2))


def test_higher_derivatives() -> None:
    f = lambda x: nv.sin(x) * x**3  # noqa: E731
    third = nv.grad(nv.grad(nv.grad(f)))(nv.asarray(np.array(0.7)))
    x = 0.7
    expected = (
        -(x**3) * np.cos(x)
        - 9 * x**2 * np.sin(x)
        + 18 * x * np.cos(x)
        + (6 * np.sin(x))
    )
    assert float(third) == pytest.approx(expected)


def test_independent_arguments_have_gradient_zero() -> None:
    dx, dy = nv.grad(lambda x, y: nv.sum(y), argnums=(0, 1))(x64(1.0, 2.0), x64(3.0))
    assert dx.tolist() == [0, 0] and dy.tolist() == [1]


def test_vjp_and_jvp_agree_with_the_jacobian() -> None:
    rng = np.random.default_rng(0)
    matrix = nv.asarray(rng.normal(size=(3, 4)))
    f = lambda x: nv.tanh(matrix @ x)  # noqa: E731
    x, u, v = (nv.asarray(rng.normal(size=size)) for size in (4, 4, 3))
    jacobian = np.asarray(nv.jacobian(f)(x))
    value = np.tanh(np.asarray(matrix) @ np.asarray(x))
    np.testing.assert_allclose(
        jacobian, (1 - value**2)[:, None] * np.asarray(matrix), rtol=1e-12
    )
    np.testing.assert_allclose(nv.vjp(f, x)[1](v)[0], np.asarray(v) @ jacobian)
    np.testing.assert_allclose(nv.jvp(f, [x], [u])[1], jacobian @ np.asarray(u))


def test_hessian_of_a_quadratic_form() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(3, 3))
    a = nv.asarray(matrix)
    hessian = nv.hessian(lambda x: x @ a @ x)(nv.asarray(rng.normal(size=3)))
    np.testing.assert_allclose(hessian, matrix + matrix.T)


def test_custom_gradient_with_second_derivative_and_compile() -> None:
    @nv.custom_gradient
    def cube(x: nv.Array) -> tuple:
        return x**3, lambda g: g * 3 * x**2

    x = nv.asarray(np.array(2.0))
    assert float(nv.grad(cube)(x)) == 12
    assert float(nv.grad(nv.grad(cube))(x)) == 12
    # The gradient's graph still holds the custom node: its rule must follow the
    # arguments through two substitutions.
    product = lambda v: cube(v) * cube(v)  # noqa: E731 - x^6
    assert float(nv.grad(nv.grad(product))(x)) == 30 * 2**4
    assert float(nv.grad(nv.grad(nv.grad(product)))(x)) == 120 * 2**3
    assert float(nv.compile(nv.grad(nv.grad(product)))(x)) == 30 * 2**4


def test_custom_gradient_refuses_a_rule_of_the_wrong_form() -> None:
    wrong_count = nv.custom_gradient(lambda x, y: (x * y, lambda g: (g,)))
    with pytest.raises(GradientError, match="returned 1 cotangents for 2 arguments"):
        nv.grad(lambda x: wrong_count(x, x))(nv.asarray(1.0))
    wrong_shape = nv.custom_gradient(lambda x: (nv.sum(x), lambda g: g))
    with pytest.raises(GradientError, match=r"shape \[\] for an argument of shape"):
        nv.grad(wrong_shape)(x64(1.0, 2.0))


def test_stop_gradient_and_checkpoint() -> None:
    f = lambda x: x * nv.stop_gradient(x * x)  # noqa: E731
    assert float(nv.grad(f)(nv.asarray(3.0))) == 9
    assert float(nv.grad(nv.checkpoint(lambda x: x**2))(nv.asarray(3.0))) == 6


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: nv.grad(lambda x: nv.sum(x))(nv.asarray([1, 2])),
            "grad: cannot differentiate with respect to whole numbers",
        ),
        (
            lambda: nv.grad(lambda x: x * 2)(nv.asarray([1.0, 2.0])),
            "grad expects a function with a single number as its result, got shape [2]",
        ),
        (
            lambda: nv.grad(lambda x: 3.0)(nv.asarray(1.0)),
            "grad expects the function to return one array, got float",
        ),
        (
            lambda: nv.grad(lambda x: nv.astype(x, "int32"))(nv.asarray(1.0)),
            "grad expects a floating-point result, got int32",
        ),
        (
            lambda: nv.grad(lambda x: x, argnums=1)(nv.asarray(1.0)),
            "argnums=1 names argument 1, but the function was called with 1",
        ),
        (
            lambda: nv.gradients(nv.asarray(1.0), [np.ones(2)]),
            "gradients expects xs to hold Nervure arrays, got ndarray",
        ),
    ],
)
def test_wrong_use_is_explained(call, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GradientError) as caught:
        call()
    assert str(caught.value).startswith(text)


def test_a_cotangent_of_another_shape_is_refused() -> None:
    _, pull = nv.vjp(lambda x: x * 2, x64(1.0, 2.0))
    with pytest.raises(ShapeError, match=r"cotangent of shape \[2\], got \[3\]"):
        pull(x64(1.0, 2.0, 3.0))


def test_gradients_take_variables() -> None:
    from nervure.state import Cell

    cell = Cell(nv.parameter([2.0], name="w"))
    assert nv.gradients(nv.sum(cell.value * cell.value), [cell])[0].tolist() == [4]


def test_gradients_of_what_has_forgotten_its_operations_are_refused() -> None:
    x = nv.asarray([1.0, 2.0])
    y = nv.sum(x * x)
    assert nv.gradients(y, [x])[0].tolist() == [2, 4]
    assert float(y) == 5
    with pytest.raises(GradientError, match="remembers no operations"):
        nv.gradients(y, [x])
    assert nv.gradients(x, [x])[0].tolist() == [1, 1]
    assert nv.gradients(nv.parameter(1.0), [x])[0].tolist() == [0, 0]
