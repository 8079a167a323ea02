"""scikit-learn's CountVectorizer and TfidfVectorizer as ONNX: words of any script, in double, needing no locale.

The stock converter splits words at accented letters, and lowers capitals by a locale that Lambda does not have. Here
ASCII is lowered by the locale C, and a word with other letters is known in each way of writing it with capitals.
"""

from collections.abc import Iterable
from itertools import product
from typing import Any, Final

import numpy as np

from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.convert.onnx_steps import Steps

_LETTER: Final = r"[\pL\pN_]"
"""What Python's `\\w` is, in the words of RE2, whose own `\\w` is ASCII."""
_PATTERNS: Final = {
    r"(?u)\b\w\w+\b": f"{_LETTER}{_LETTER}+",
    r"\b\w\w+\b": f"{_LETTER}{_LETTER}+",
    r"(?u)\b\w+\b": f"{_LETTER}+",
    r"\b\w+\b": f"{_LETTER}+",
    r"\w+": f"{_LETTER}+",
    r"(?u)\w+": f"{_LETTER}+",
}
_MOST_SPELLINGS: Final = 2_000_000


def words_width(operator: Any) -> int:
    """How many terms the vocabulary has."""
    return len(operator.raw_operator.vocabulary_)


def convert_words(scope: Any, operator: Any, container: Any) -> None:
    """Write a CountVectorizer or TfidfVectorizer.

    Raises:
        ConversionError: it cuts texts up in a way that a graph cannot.
    """
    vectorizer, steps = operator.raw_operator, Steps(scope, operator, container)
    pattern = _pattern(vectorizer)
    terms = [term.split(" ") for term in vectorizer.vocabulary_]
    numbers = {word: number for number, word in enumerate(dict.fromkeys(word for term in terms for word in term), 1)}
    x = steps.add("Reshape", operator.inputs[0].full_name, steps.constant([-1], np.int64))
    if vectorizer.lowercase:
        x = steps.add("StringNormalizer", x, case_change_action="LOWER", locale="C")
    x = steps.add("Tokenizer", x, domain="com.microsoft", mark=0, mincharnum=1, pad_value="", tokenexp=pattern)
    spellings = dict(_spellings(numbers)) if vectorizer.lowercase else numbers
    words = np.array(list(spellings), object)
    x = steps.look_up(x, words, np.array(list(spellings.values())), np.array([0]))
    # A column that is no word: texts without any give no columns, which the next operator does not take.
    x = steps.add("Pad", x, steps.constant([0, 0, 0, 1], np.int64))
    x = steps.add("TfIdfVectorizer", x, mode="TF", max_skip_count=0, **_pool(vectorizer, numbers))
    _weigh(vectorizer, steps, steps.cast(x, steps.element))


def _pattern(vectorizer: Any) -> str:
    """The pattern of a word, for the Tokenizer operator."""
    name = type(vectorizer).__name__
    fixed = {"analyzer": "word", "strip_accents": None, "preprocessor": None, "tokenizer": None}
    for option, only in fixed.items():
        if (value := getattr(vectorizer, option)) != only:
            raise ConversionError(f"{name}({option}={value!r}) has no equal in ONNX; {option}={only!r} has")
    if vectorizer.token_pattern not in _PATTERNS:
        raise ConversionError(
            f"{name}(token_pattern={vectorizer.token_pattern!r}) is not known here; known are {', '.join(_PATTERNS)}"
        )
    if vectorizer.ngram_range != (1, 1) and vectorizer.stop_words is not None:
        raise ConversionError(f"{name} with stop_words and ngram_range together has no equal in ONNX; use one of them")
    return _PATTERNS[vectorizer.token_pattern]


def _spellings(numbers: dict[str, int]) -> Iterable[tuple[str, int]]:
    """Each word in every way that lowering ASCII leaves it and Python's lower() would not."""
    capitals: dict[str, str] = {}
    for code in range(128, 0x110000):
        if (lower := chr(code).lower()) != chr(code) and not lower.isascii():
            capitals[lower] = capitals.get(lower, lower) + chr(code)
    found = 0
    for word, number in numbers.items():
        ways = [capitals.get(letter, letter) for letter in word]
        found += int(np.prod([len(way) for way in ways], dtype=float))
        if found > _MOST_SPELLINGS:
            raise ConversionError(
                "the vocabulary has too many letters beyond ASCII to know all its words in capitals too; train with"
                " lowercase=False on texts that are lower case already, and send such"
            )
        for letters in product(*ways):
            yield "".join(letters), number


def _pool(vectorizer: Any, numbers: dict[str, int]) -> dict[str, Any]:
    """The vocabulary as sequences of word numbers, by length; and which column each is."""
    by_length: dict[int, list[tuple[list[int], int]]] = {}
    for term, column in vectorizer.vocabulary_.items():
        words = [numbers[word] for word in term.split(" ")]
        by_length.setdefault(len(words), []).append((words, int(column)))
    pool: list[int] = []
    starts, columns = [], []
    shortest, longest = vectorizer.ngram_range
    for length in range(1, longest + 1):
        starts.append(len(pool))
        for words, column in by_length.get(length, []):
            pool += words
            columns.append(column)
    return {
        "min_gram_length": shortest,
        "max_gram_length": longest,
        "ngram_counts": starts,
        "ngram_indexes": columns,
        "pool_int64s": pool,
    }


def _weigh(vectorizer: Any, steps: Steps, counts: str) -> None:
    """From counts to what the vectorizer gives."""
    zero, one = steps.constant(0, steps.dtype), steps.constant(1, steps.dtype)
    if vectorizer.binary:
        counts = steps.add("Min", counts, one)
    if getattr(vectorizer, "sublinear_tf", False):
        logarithm = steps.add("Add", steps.add("Log", steps.add("Max", counts, one)), one)
        counts = steps.add("Where", steps.add("Greater", counts, zero), logarithm, zero)
    if getattr(vectorizer, "use_idf", False):
        counts = steps.add("Mul", counts, steps.constant(vectorizer.idf_, steps.dtype))
    if norm := getattr(vectorizer, "norm", None):
        axis = steps.constant([1], np.int64)
        length = steps.add("ReduceSum" if norm == "l1" else "ReduceL2", counts, axis)
        counts = steps.add("Div", counts, steps.add("Where", steps.add("Equal", length, zero), one, length))
    steps.finish([counts])
