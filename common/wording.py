"""Finds the strings in a program that only people read, and that no result depends on.

The strings that only people read are docstrings, the messages of exceptions and assertions, log
lines and help texts. A change to a string that only people read must not change the fingerprint of
the code (see `common.fingerprint`). A string that the program itself uses, such as the name of a
feature or a key of a dictionary, can affect a result. If a program assigns a message to a variable,
this module assumes that the message can affect a result, because the program may also write the
variable to a file.
"""

import ast
from typing import Any

# If the name of a class ends with an entry of `_EXCEPTIONS`, this module assumes that the class is
# an exception.
_EXCEPTIONS = ("Error", "Exception", "Interrupt", "Warning")
_LOG_METHODS = {"log", "debug", "info", "warning", "error", "exception", "critical"}
_LOGGERS = {"logger", "logging"}
# The functions and classes of `common.options` whose first argument is a string that only people
# read.
_HELP = {"option", "Check"}
_HELP_KEYWORDS = {"help", "description", "epilog"}
_TEXT = ast.Constant("wording")


def remove_wording(tree: ast.Module) -> None:
    """Removes docstrings, and puts a constant in place of other strings that only people read.

    The resulting tree can be hashed, but it cannot be compiled, because blocks may be empty, such
    as the body of a function that contained only a docstring.
    """
    _Neutral().visit(tree)


class _Neutral(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> Any:
        """Removes docstrings and other bare constants, and replaces the texts of log lines."""
        if isinstance(node.value, ast.Constant):
            return None
        if isinstance(node.value, ast.Call) and _is_log_line(node.value):
            _neutralise_arguments(node.value)
        return self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        """Removes `pass`, because a body with a docstring instead of `pass` does the same."""

    def visit_Raise(self, node: ast.Raise) -> Any:
        if isinstance(node.exc, ast.Call):
            _neutralise_arguments(node.exc)
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> Any:
        node.msg = None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Name):
            if node.func.id.endswith(_EXCEPTIONS):
                _neutralise_arguments(node)
            elif node.func.id in _HELP and node.args and _is_text(node.args[0]):
                node.args[0] = _TEXT
        for keyword in node.keywords:
            if keyword.arg in _HELP_KEYWORDS and _is_text(keyword.value):
                keyword.value = _TEXT
        return self.generic_visit(node)


def _is_log_line(call: ast.Call) -> bool:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id == "print" and not any(word.arg == "file" for word in call.keywords)
    return (
        isinstance(function, ast.Attribute)
        and function.attr in _LOG_METHODS
        and isinstance(function.value, ast.Name)
        and function.value.id in _LOGGERS
    )


def _neutralise_arguments(call: ast.Call) -> None:
    """Replaces every positional argument that is a message: a string that contains a space.

    The function does not replace single words and keyword arguments, because code that catches an
    exception may compare them with other values.
    """
    call.args = [_TEXT if _is_text(a) and _has_space(a) else a for a in call.args]


def _is_text(node: ast.expr) -> bool:
    """Whether `node` is a string literal or an expression that builds a string from literals."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.BinOp):
        is_sum = isinstance(node.op, ast.Add)
        is_format = isinstance(node.op, ast.Mod)
        return ((is_sum or is_format) and _is_text(node.left)) or (is_sum and _is_text(node.right))
    if isinstance(node, ast.IfExp):
        return _is_text(node.body) and _is_text(node.orelse)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("join", "format") and _is_text(node.func.value)
    return isinstance(node, ast.JoinedStr)


def _has_space(node: ast.expr) -> bool:
    """Whether a string constant in the expression `node` contains a space."""
    constants = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
    return any(isinstance(value, str) and " " in value for value in constants)
