"""Objects that an exception leaves as they were before a call."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def put_back(thing: Any, before: dict[str, Any]) -> None:
    """Give an object its earlier attributes: ``dict(vars(thing))`` of that time."""
    now = vars(thing)
    for name in set(now) - set(before):
        del now[name]
    now.update(before)


def all_or_nothing(method: Method) -> Method:
    """A method that sets attributes of its object, all of them or, when it raises, none."""

    @functools.wraps(method)
    def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        before = dict(vars(self))
        try:
            return method(self, *arguments, **named)
        except BaseException:
            put_back(self, before)
            raise

    return wrapped  # type: ignore[return-value]
