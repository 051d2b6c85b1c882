"""What Slack makes of what people type -> what they typed: its signs for people, channels and links, and its escapes.

Pure.
"""

import re
from collections.abc import Mapping

#: A message's own address; one in a thread has where that is behind it.
LINK = re.compile(
    r"https?://[\w.-]+\.slack(?:-gov)?\.com/archives/(?P<channel>[A-Z0-9]{1,20})/p(?P<ts>[0-9]{16})/?(?:[?#]\S*)?"
)
#: Of somebody who cannot be looked up.
NOBODY = "somebody"
#: At the start of a word: what others are called is no option.
_DASHES = re.compile(r"(?<!\S)[-\u2013\u2014]+(?=[^\s\u2013\u2014-]|$)")
# Where Slack escapes what people type, these are the only ones left; where it does not, <b> and <a|b> are just words.
_SIGN = re.compile(
    r"<(?:@(?P<person>[UW][A-Z0-9]{1,20})|#[CGD][A-Z0-9]{1,20}|!(?P<call>[a-z]{1,20})(?:\^[^<>|]*)?"
    r"|(?P<url>(?:https?://|mailto:|tel:)[^<>|\s]*))(?:\|(?P<label>[^<>]*))?>"
)


def people_in(text: str) -> list[str]:
    """User IDs of those who are named without a name, each once."""
    return list(dict.fromkeys(sign["person"] for sign in _SIGN.finditer(text) if sign["person"] and not sign["label"]))


def as_typed(text: str, names: Mapping[str, str]) -> str:
    """`names` are those of `people_in`. A channel without a name is left out."""
    return unescaped(_SIGN.sub(lambda sign: _words_for(sign, names), text))


def unescaped(text: str) -> str:
    """Slack escapes three characters in what people write."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _name(text: str) -> str:
    return _DASHES.sub("", text.removeprefix("@"))


def _words_for(sign: re.Match[str], names: Mapping[str, str]) -> str:
    person, call, url, label = sign["person"], sign["call"], sign["url"], sign["label"]
    if url and LINK.fullmatch(unescaped(url)):
        return str(url)
    if label:
        return str(label) if url else _name(label)
    if person:
        return _name(names.get(person, NOBODY))
    if url:
        return re.sub(r"^(mailto|tel):", "", url)
    # `<!date^…>` and the like have nothing else that could be read.
    return call if call in ("channel", "here", "everyone") else ""
