"""Frozen dataclasses whose methods are made when they are first called: a command that starts uses few of the classes
that it imports, and `dataclasses` compiles six methods for each of them.

For whoever writes a class, and for mypy, `dataclass` is the one of the standard library. What is not a frozen class
with slots, or needs more than plain fields, gets that one at run time too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = False, kw_only: bool = False, order: bool = False
    ) -> Callable[[type], type]:
        """As the standard library's."""

        def decorated(cls: type) -> type:
            if frozen and slots and not order and _plain(cls):
                return _lean(cls, kw_only)
            return dataclasses.dataclass(frozen=frozen, slots=slots, kw_only=kw_only, order=order)(cls)

        return decorated


__all__ = ["dataclass"]
_OURS = ("_set", "_fresh", "_default_", "_make_")  # names in the initializer
_FRESH: Any = object()  # stands for what a default_factory makes


def _plain(cls: type) -> bool:
    """Whether a class has only fields of its own, all of them arguments, and no argument that is no field."""
    own = (value for value in vars(cls).values() if isinstance(value, dataclasses.Field))
    notes = vars(cls).get("__annotations__", {})
    return (
        all(field.init and field.hash is None for field in own)
        and "InitVar" not in str(notes)
        and not any(name.startswith(_OURS) for name in notes)
        and not any(hasattr(base, "__dataclass_fields__") for base in cls.__bases__)
    )


def _lean(cls: type, kw_only: bool) -> Any:
    made: Any = dataclasses.dataclass(cls, slots=True, kw_only=kw_only, init=False, repr=False, eq=False)
    made.__dataclass_params__.frozen = True  # for pydantic, and for a class that inherits from this one
    compared = _getter([field.name for field in fields(made) if field.compare])
    methods = {
        "__init__": _init(made),
        "__repr__": _repr,
        "__eq__": _eq(compared),
        "__hash__": _hash(compared),
        "__setattr__": _frozen(made, "assign to"),
        "__delattr__": _frozen(made, "delete"),
        "__getstate__": _getstate,
        "__setstate__": _setstate,
    }
    for name, method in methods.items():
        if name not in vars(cls):
            setattr(made, name, method)
    return made


def _getter(names: list[str]) -> Callable[[Any], Any]:
    if len(names) == 1:  # a tuple as well: in one, what is the same is equal, also where it is no number
        (name,) = names
        return lambda value: (getattr(value, name),)
    return attrgetter(*names) if names else lambda value: ()


def _init(cls: Any) -> Callable[..., None]:
    """The initializer, which puts the real one in its own place when it is called."""

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        cls.__init__ = made = _made_init(cls)
        made(self, *args, **kwargs)

    return __init__


def _made_init(cls: Any) -> Callable[..., None]:
    """What the standard library makes of the fields, compiled now."""
    names: dict[str, Any] = {"_set": object.__setattr__, "_fresh": _FRESH}
    places: list[str] = []
    named: list[str] = []
    body: list[str] = []
    for field in fields(cls):
        name, value, parameter = field.name, field.name, field.name
        if field.default is not dataclasses.MISSING:
            names[f"_default_{name}"] = field.default
            parameter = f"{name}=_default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"] = field.default_factory
            parameter, value = f"{name}=_fresh", f"_make_{name}() if {name} is _fresh else {name}"
        (named if field.kw_only else places).append(parameter)
        body.append(f" _set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    head = ", ".join(["self", *places, *(["*", *named] if named else [])])
    exec("\n".join([f"def __init__({head}):", *body, " return None"]), names)
    made: Callable[..., None] = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    return made


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(compared: Callable[[Any], Any]) -> Callable[[Any, object], Any]:
    def __eq__(self: Any, other: object) -> Any:
        return compared(self) == compared(other) if type(other) is type(self) else NotImplemented

    return __eq__


def _hash(compared: Callable[[Any], Any]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:
        return hash(compared(self))

    return __hash__


def _frozen(cls: type, what: str) -> Callable[..., None]:
    """A class below, which is no dataclass, may have attributes of its own."""
    own = "__setattr__" if what == "assign to" else "__delattr__"

    def refuse(self: Any, name: str, *value: Any) -> None:
        if type(self) is cls or name in cls.__dataclass_fields__:  # type: ignore[attr-defined]
            raise FrozenInstanceError(f"cannot {what} field {name!r}")
        getattr(super(cls, self), own)(name, *value)

    return refuse


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for field, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
