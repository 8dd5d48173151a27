"""Our `dataclass` makes what the standard library's makes, only later."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from kzram_ci.base import values


@values.dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value with all kinds of fields."""

    name: str
    at: tuple[int, ...] = ()
    notes: dict[str, int] = field(default_factory=dict)
    size: int = field(default=1, compare=False)
    secret: str = field(default="", repr=False)


@values.dataclass(frozen=True, slots=True)
class Placed:
    """A value by places."""

    first: int
    second: int = 2
    third: int = field(default=3, kw_only=True)


@values.dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A value that looks at itself."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("below zero")


@values.dataclass(frozen=True, slots=True, kw_only=True)
class Below(Placed):
    """A value with the fields of another."""

    fourth: int = 4


@values.dataclass(frozen=True, slots=True)
class Empty:
    """A value without fields."""


class Plain(Placed):
    """No dataclass itself."""

    mark: str


Maker = Callable[..., Any]


def twin(cls: type) -> Any:
    """The class as the standard library makes it."""
    parameters = {"frozen": True, "slots": True, "kw_only": cls is Point}
    made = dataclasses.make_dataclass(
        cls.__name__,
        [(one.name, one.type, _copied(one)) for one in dataclasses.fields(cls)],
        **parameters,  # type: ignore[arg-type]
    )
    made.__qualname__ = cls.__qualname__
    return made


def _copied(one: dataclasses.Field[Any]) -> Any:
    given: dict[str, Any] = {"repr": one.repr, "compare": one.compare, "kw_only": one.kw_only}
    if one.default is not dataclasses.MISSING:
        given["default"] = one.default
    if one.default_factory is not dataclasses.MISSING:
        given["default_factory"] = one.default_factory
    return field(**given)


@pytest.mark.parametrize("kwargs", [{"name": "a"}, {"name": "b", "at": (1,), "size": 5, "secret": "x"}, {}, {"x": 1}])
def test_a_value_is_made_and_shown_as_the_standard_library_does(kwargs: dict[str, Any]) -> None:
    made = []
    for maker in (Point, twin(Point)):
        try:
            made.append(repr(maker(**kwargs)))
        except TypeError as error:
            made.append(str(error))
    assert made[0] == made[1]


@pytest.mark.parametrize(("args", "kwargs"), [((1,), {}), ((1, 5), {"third": 6}), ((1, 2, 3), {}), ((), {"second": 1})])
def test_fields_have_places_unless_they_are_words(args: tuple[int, ...], kwargs: dict[str, int]) -> None:
    made = []
    for maker in (Placed, twin(Placed)):
        try:
            made.append(repr(maker(*args, **kwargs)))
        except TypeError as error:
            made.append(str(error))
    assert made[0] == made[1]


def test_values_are_compared_and_hashed_by_the_fields_that_count() -> None:
    assert Point(name="a", size=1) == Point(name="a", size=2) != Point(name="b")
    assert hash(Placed(1)) == hash(Placed(1, 2)) != hash(Placed(2))
    assert Placed(1) != Below(first=1) and Placed(1).__eq__((1, 2, 3)) is NotImplemented
    assert Empty() == Empty() and len({Empty(), Empty()}) == 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point(name="a"))  # of its dict


def test_a_default_that_is_made_is_made_for_each() -> None:
    one, other = Point(name="a"), Point(name="a")
    assert one.notes == {} and one.notes is not other.notes


def test_a_value_cannot_be_changed() -> None:
    value = Placed(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'first'"):
        value.first = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'first'"):
        del value.first
    with pytest.raises(FrozenInstanceError):
        value.new = 2  # type: ignore[attr-defined]
    assert not hasattr(value, "__dict__")


def test_a_class_below_that_is_no_dataclass_has_attributes_of_its_own() -> None:
    value = Plain(1)
    value.mark = "x"
    assert value.mark == "x"
    del value.mark
    assert not hasattr(value, "mark")
    with pytest.raises(FrozenInstanceError):
        value.first = 2  # type: ignore[misc]


def test_what_a_value_says_of_itself_holds() -> None:
    assert Checked(number=1).number == 1
    with pytest.raises(ValueError, match="below zero"):
        Checked(number=-1)
    with pytest.raises(ValueError, match="below zero"):
        replace(Checked(number=1), number=-1)


def test_a_value_may_inherit_from_another() -> None:
    assert repr(Below(first=1)) == "Below(first=1, second=2, third=3, fourth=4)"
    with pytest.raises(FrozenInstanceError):
        Below(first=1).fourth = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    "value", [Point(name="a", notes={"x": 1}), Placed(1), Checked(number=2), Below(first=3), Empty()]
)
def test_values_are_copied_pickled_and_taken_apart(value: Any) -> None:
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == replace(value) == value
    assert type(value)(**dataclasses.asdict(value)) == value
    assert type(value).__dataclass_params__.frozen


def test_pydantic_reads_and_writes_values() -> None:
    adapter = TypeAdapter(Point)
    value = Point(name="a", at=(1, 2))
    assert adapter.validate_python(adapter.dump_python(value, mode="json")) == value


def test_the_initializer_is_compiled_once() -> None:
    @values.dataclass(frozen=True, slots=True)
    class Late:
        number: int

    before = Late.__init__
    assert Late(1) == Late(1) and Late.__init__ is not before
    after = Late.__init__
    assert Late(2).number == 2 and Late.__init__ is after
    assert list(inspect.signature(Late).parameters) == ["number"]


def test_other_classes_are_the_standard_librarys_own() -> None:
    @values.dataclass(slots=True)
    class Changing:
        number: int = 0
        made: int = field(init=False, default=5)

    @values.dataclass(frozen=True, slots=True)
    class Derived:
        number: int
        double: int = field(init=False, default=0)

        def __post_init__(self) -> None:
            object.__setattr__(self, "double", 2 * self.number)

    value = Changing()
    value.number = 3
    assert value == Changing(3) and value.made == 5
    assert Derived(2).double == 4


@pytest.mark.parametrize("make", [values.dataclass, dataclasses.dataclass], ids=["ours", "the standard library's"])
def test_what_is_not_plain_is_as_the_standard_library_has_it(make: Any) -> None:
    nothing = float("nan")
    frozen: Any = make(frozen=True, slots=True, kw_only=True)

    class Single:
        number: float

    class Hashed:
        name: str
        notes: list[str] = field(default_factory=list, hash=False)

    class Given:
        size: int = 0
        unit: dataclasses.InitVar[int] = 1  # type: ignore[assignment]  # the class is not decorated yet

        def __post_init__(self, unit: int) -> None:
            object.__setattr__(self, "size", self.size * unit)

    class Named:
        first: int
        _set: int = 2

    single, hashed, given, named = (frozen(cls) for cls in (Single, Hashed, Given, Named))
    assert single(number=nothing) == single(number=nothing)
    assert len({single(number=nothing), single(number=nothing)}) == 1
    assert hash(hashed(name="a")) == hash(hashed(name="a", notes=["b"]))
    assert (given(size=3, unit=4).size, given(size=3).size) == (12, 3)
    assert named(first=1)._set == 2
