"""Gin text taken apart without gin's registry: bindings, macros, and the scopes and macros that values refer to."""

from typing import Any, NamedTuple

from gin import config_parser


class Reference(NamedTuple):
    """`@scope/Name` or, where `evaluate`, `@scope/Name()`."""

    name: str
    evaluate: bool

    def __repr__(self):
        return f"@{self.name}{'()' if self.evaluate else ''}"


class Macro(NamedTuple):
    """`%name`."""

    name: str

    def __repr__(self):
        return f"%{self.name}"


class Binding(NamedTuple):
    """One statement `scope/selector.argument = value`; a macro's definition has no argument."""

    scope: str
    selector: str
    argument: str
    value: Any
    line: int

    @property
    def name(self):
        """The left side as it is written in a file."""
        scoped = f"{self.scope}/{self.selector}" if self.scope else self.selector
        return f"{scoped}.{self.argument}" if self.argument else scoped


class Text(NamedTuple):
    """What a text says."""

    bindings: list[Binding]  # in their order
    imports: list[str]  # modules


def read_text(text):
    """The `Text` of what gin can parse.

    Raises:
        What gin's parser and Python's tokenizer raise: the text is none.
    """
    statements = list(config_parser.ConfigParser(text, _Delegate()))
    return Text(
        [
            Binding(each.scope, each.selector, each.arg_name or "", each.value, each.location.line_num)
            for each in statements
            if isinstance(each, config_parser.BindingStatement)
        ],
        [each.module for each in statements if isinstance(each, config_parser.ImportStatement)],
    )


def read_bindings(text):
    """The `Binding`s of a text that gin can parse, in their order."""
    return read_text(text).bindings


def references(value):
    """Every `Reference` and `Macro` in a value."""
    if isinstance(value, Reference | Macro):
        return [value]
    if isinstance(value, dict):
        return [found for pair in value.items() for part in pair for found in references(part)]
    if isinstance(value, tuple | list | set):
        return [found for part in value for found in references(part)]
    return []


def resolved(bindings):
    """Name -> value of every binding that is no macro, macros replaced by their values."""
    macros = {each.name: each.value for each in bindings if not each.argument}

    def value_of(value, depth=0):
        if isinstance(value, Macro):
            known = value.name in macros and depth < len(macros)
            return value_of(macros[value.name], depth + 1) if known else value
        if isinstance(value, Reference):
            return value
        if isinstance(value, dict):
            return {value_of(key, depth): value_of(part, depth) for key, part in value.items()}
        if isinstance(value, tuple | list):
            return type(value)(value_of(part, depth) for part in value)
        return value

    return {each.name: value_of(each.value) for each in bindings if each.argument}


class _Delegate(config_parser.ParserDelegate):
    def configurable_reference(self, scoped_configurable_name, evaluate):
        return Reference(scoped_configurable_name, evaluate)

    def macro(self, macro_name):
        return Macro(macro_name)
