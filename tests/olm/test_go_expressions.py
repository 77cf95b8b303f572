from __future__ import annotations

import pytest

from skopeo_mirror.olm.go_expressions import compile_go


@pytest.mark.parametrize(
    ("expression", "found", "missed"),
    [
        pytest.param("[[:alpha:]]+/ns", "quay/ns", "12/ns", id="posix-class"),
        pytest.param("^[^[:digit:].]$", "a", "1", id="posix-class-in-a-negated-one"),
        pytest.param("^[[:^digit:]a1]$", "a", "2", id="posix-class-negated"),
        pytest.param("^[[:punct:]]$", "]", "a", id="posix-class-with-brackets"),
        pytest.param("[:alpha:]", "a", "z", id="no-posix-class-outside-of-brackets"),
        pytest.param(r"^\Qa.b+c\E$", "a.b+c", "aXbbc", id="quoted"),
        pytest.param(r"^\Qab\E+$", "abbb", "abab", id="quoted-and-its-last-repeated"),
        pytest.param(r"a\Q.b", "xa.b", "xacb", id="quoted-to-the-end"),
        pytest.param(r"a\z", "ba", "ab", id="end-of-text"),
        pytest.param("^a{,3}$", "a{,3}", "aa", id="braces-that-repeat-nothing"),
        pytest.param("^a{2,3}?$", "aa", "a", id="lazy"),
        pytest.param("(?i)QUAY|x$", "quay", "y", id="flags-for-all"),
        pytest.param("(?is-i)^q", "quay", "QUAY", id="flags-taken-back"),
        pytest.param("(?iU)^QUAY", "quay", "aquay", id="greed-does-not-count"),
        pytest.param("^(?i:Q)uay", "quay", "QUAY", id="flags-for-a-group"),
        pytest.param("(?P<a>x)(?<b>y)", "xy", "x", id="named-groups"),
        pytest.param("^[]a]$", "]", "b", id="bracket-first"),
        pytest.param("^[a[b]$", "[", "c", id="bracket-within"),
        pytest.param("^[a-]$", "-", "b", id="dash-last"),
        pytest.param(r"^[\d-z]$", "-", "a", id="dash-behind-a-class"),
        pytest.param("^[a&&b]$", "&", "c", id="no-sets"),
        pytest.param("^[+--]$", ",", "a", id="range-to-a-dash"),
        pytest.param(r"^\x61\x{62}$", "ab", "x61", id="by-number"),
        pytest.param(r"^\-\_\/$", "-_/", "-", id="escaped-for-nothing"),
        pytest.param(r"^[\w.]+\b", "a.b", "/", id="perl-classes"),
    ],
)
def test_expressions_mean_what_they_mean_to_go(expression: str, found: str, missed: str) -> None:
    assert compile_go(expression).search(found)
    assert not compile_go(expression).search(missed)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param("*alpine", "nothing to repeat", id="nothing-repeated"),
        pytest.param("a**", "`*` repeats what is repeated already", id="repeated-twice"),
        pytest.param("a*+", "`+` repeats what is repeated already", id="possessive"),
        pytest.param("a{1001}", "`{1001}` repeats more than 1000 times", id="many"),
        pytest.param("(?=a)", "`(?=` is nothing that Go knows", id="lookahead"),
        pytest.param("(?<!a)", "`(?<` is nothing that Go knows", id="lookbehind"),
        pytest.param("(?>a)", "`(?>` is nothing that Go knows", id="atomic"),
        pytest.param("(?x)a", "`(?x` is nothing that Go knows", id="flag"),
        pytest.param("a(?i)b", "`(?i)` is read at the beginning alone: write `(?i:...)`", id="flags-midway"),
        pytest.param(r"(a)\1", r"`\1` is nothing that Go knows", id="backreference"),
        pytest.param(r"a\Z", r"`\Z` is nothing that Go knows", id="end"),
        pytest.param(r"a\E", r"`\E` is nothing that Go knows", id="end-of-no-quotation"),
        pytest.param(r"[\b]", r"`\b` is nothing that Go knows", id="backspace"),
        pytest.param(r"\p{Greek}", r"`\p`, a class of Unicode's, is not read here", id="unicode"),
        pytest.param(r"\x{110000}", "bad escape", id="no-character"),
        pytest.param("[[:letter:]]", "`[:letter:]` is no class: there are alnum, alpha", id="class"),
        pytest.param("[z-a]", "bad character range", id="range"),
        pytest.param("a{3,2}", "min repeat greater than max repeat", id="counted-down"),
        pytest.param("a[b", "`[b` has no `]`", id="open-class"),
        pytest.param("a[b-", "`[b-` has no `]`", id="open-range"),
        pytest.param("a[", "`[` has no `]`", id="empty-class"),
        pytest.param("(a", "unterminated", id="open-group"),
        pytest.param("a)", "unbalanced", id="closed-group"),
        pytest.param("(?i)a)|(b", "unbalanced", id="closed-group-behind-flags"),
        pytest.param("a\\", r"it ends with a single `\`", id="backslash"),
    ],
)
def test_what_is_read_otherwise_is_refused_by_name(expression: str, words: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the words are compared
        compile_go(expression)
    assert words in str(raised.value)
