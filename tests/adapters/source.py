"""What the core and the adapters of chats say, read from their source: keys of sentences, mistakes, failures."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter

from bot.errors import DiskFull, ImageFileLost, StorageTrouble, WorkerDied

ROOT = Path(__file__).parents[2]
CORE = [ROOT / "bot" / name for name in ("prompts.py", "pictures.py", "typed.py", "wordlist.py")]
#: Of the modules of which each mistake is about one thing.
FIELD_OF = {"pictures.py": "picture", "wordlist.py": "words"}
#: Chats have no options for these.
NO_OPTION = {"refine_at", "guidance_end", "sampler"}

#: By their keys.
Sentences = Mapping[str, str]


def speakers(adapter: Path) -> tuple[Path, Path]:
    """Folders of all that speaks on one platform."""
    return adapter.parent / "chat", adapter


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def trees(*paths: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in paths:
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            yield file, ast.parse(file.read_text(encoding="utf-8"))


def called(node: ast.AST) -> str | None:
    """The name of what is called, without what stands before its last dot."""
    if not isinstance(node, ast.Call):
        return None
    return getattr(node.func, "id", None) or getattr(node.func, "attr", None)


def text_of(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def failure_codes() -> set[str]:
    codes = {error.code for error in (WorkerDied, ImageFileLost, DiskFull, StorageTrouble)}
    for file, tree in trees(ROOT / "bot"):
        for node in ast.walk(tree):
            if called(node) in ("JobFailed", "Failure", "Broke") and file.name != "paint_here.py":
                assert isinstance(node, ast.Call)
                codes |= {code for code in [text_of(node.args[0] if node.args else None)] if code is not None}
    return codes


def mistakes(adapter: Path) -> dict[tuple[str, str], set[str]]:
    """Field and kind of each mistake that the core or an adapter makes -> the names of its values.

    What belongs to whichever option was typed has the field `option`.
    """
    found = {}
    for file, tree in trees(*CORE, *speakers(adapter)):
        makers = {
            node.name: [argument.arg for argument in node.args.args]
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name in ("_mistake", "_refused")
        }
        makers["Mistake"] = ["field", "message", "kind", "values"]
        loops = looped(tree)
        for node in ast.walk(tree):
            name = called(node)
            if name not in makers:
                continue
            assert isinstance(node, ast.Call)
            given = dict(zip(makers[name], node.args, strict=False))
            given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg in makers[name]}
            kind = text_of(given.get("kind"))
            if kind is None:
                continue
            values = {keyword.arg for keyword in node.keywords if keyword.arg} - set(makers[name])
            values |= {"option"} if file.name == "typed.py" else set()
            values |= keys_in(given.get("values"), tree)
            for field in fields(given.get("field", given.get("name")), loops.get(node, {}), file):
                found[field, kind] = values
    return found


def fields(node: ast.AST | None, loops: dict[str, list[str]], file: Path) -> list[str]:
    if node is None:
        return [FIELD_OF[file.name]]
    if isinstance(node, ast.Name) and node.id in loops:
        return loops[node.id]
    return [text_of(node) or "option"]


def looped(tree: ast.AST) -> dict[ast.AST, dict[str, list[str]]]:
    """Calls -> names of loops over constants around them, with these constants."""
    found: dict[ast.AST, dict[str, list[str]]] = {}
    for node in ast.walk(tree):
        for loop in [node] if isinstance(node, ast.For) else getattr(node, "generators", []):
            if not isinstance(loop.iter, ast.Tuple):
                continue
            first = [entry.elts[0] if isinstance(entry, ast.Tuple) else entry for entry in loop.iter.elts]
            target = loop.target.elts[0] if isinstance(loop.target, ast.Tuple) else loop.target
            assert isinstance(target, ast.Name)
            texts = [text for entry in first if (text := text_of(entry)) is not None]
            for inner in ast.walk(node):
                if isinstance(inner, ast.Call):
                    found.setdefault(inner, {})[target.id] = texts
    return found


def keys_in(node: ast.AST | None, tree: ast.Module) -> set[str]:
    """Of all dicts in an expression, those too that it takes from the module by name."""
    if node is None:
        return set()
    names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    roots = [node]
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign) and getattr(statement.target, "id", None) in names:
            roots += [statement.value] if statement.value else []
    keys = [key for root in roots for part in ast.walk(root) if isinstance(part, ast.Dict) for key in part.keys]
    return {text for key in keys if (text := text_of(key)) is not None}


def used(tree: ast.AST) -> Iterator[str]:
    """Patterns of keys: texts, texts with holes, and sections from which a sentence is chosen."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [re.escape(text) if (text := text_of(part)) else r"[\w.]+" for part in node.values]
            if re.match(r"[a-z]", parts[0]) or re.match(r"\\\.[a-z]", parts[1] if len(parts) > 1 else ""):
                yield "".join(parts)
        elif called(node) == "_one_of":
            assert isinstance(node, ast.Call)
            yield re.escape(text_of(node.args[0]) or "") + r"\.\w+"
        elif (text := text_of(node)) is not None:
            yield re.escape(text)


def mistakes_without_words(sentences: Sentences, adapter: Path) -> list[object]:
    """Mistakes that have no sentence, and sentences with values that their mistake does not have."""
    wrong: list[object] = []
    for (field, kind), values in mistakes(adapter).items():
        # Nobody is told that nothing shall be left out.
        if field in NO_OPTION or (field, kind) == ("negative_prompt", "empty"):
            continue
        keys = [key for key in (f"mistake.{field}.{kind}", f"mistake.{field}.{kind}.suggested") if key in sentences]
        wrong += [] if keys else [(field, kind)]
        wrong += [key for key in keys if not placeholders(sentences[key]) <= values]
    return wrong


def words_without_mistakes(sentences: Sentences, adapter: Path) -> list[str]:
    made = {f"mistake.{field}.{kind}" for field, kind in mistakes(adapter)}
    kept = {key.removesuffix(".suggested") for key in sentences if key.startswith("mistake.")}
    return sorted(kept - made)


def unsaid(sentences: Sentences, adapter: Path) -> list[str]:
    patterns = {pattern for _, tree in trees(*speakers(adapter)) for pattern in used(tree)}
    said = re.compile("|".join(sorted(patterns)))
    return [key for key in sentences if not said.fullmatch(key)]


def said_wrongly(sentences: Sentences, adapter: Path) -> list[tuple[str, str, set[str]]]:
    """File, key and the values that are missing there; a sentence that is not there misses all."""
    wrong = []
    for file, tree in trees(*speakers(adapter)):
        for node in ast.walk(tree):
            key = text_of(node.args[0]) if called(node) in ("say", "Unclear") and isinstance(node, ast.Call) else None
            if key is None:
                continue
            assert isinstance(node, ast.Call)
            given = {keyword.arg for keyword in node.keywords}
            needed = placeholders(sentences.get(key, "{no such key}"))
            if needed - given and None not in given:
                wrong.append((file.name, key, needed - given))
    return wrong
