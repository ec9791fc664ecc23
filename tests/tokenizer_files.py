"""What a family's tokenizer is made of, and how its files lie on the hub or where it was saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors

from heuristic_core.tasks.grammar import training_mix

Ids = list[int]

#: Texts that a vocabulary is learned from besides sentences.
ODD = (
    "The judges near Zoë's café SLEPT at 12:30, didn't they?",
    "naïve “quotes” – 3,000.5% off, re-enter_this@that Straße",
)


@dataclass
class Published:
    """A family's tokenizer.

    Args:
        cls: The class that transformers 4 named, without ``Fast``.
        tokens: Its special tokens by role.
        slow: The files of the slow tokenizer by name; none if there was none.
        fast: What tokenizer.json holds.
        ids: The tokens of one text or two, as the slow tokenizer gave them.
        settings: What else its tokenizer_config.json says on the hub.
    """

    cls: str
    tokens: dict[str, str]
    slow: dict[str, bytes]
    fast: Tokenizer
    ids: Callable[[str, str | None], Ids]
    settings: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path, layout: str) -> None:
        """Write the files as they lie somewhere.

        Args:
            folder: The folder, which exists.
            layout: ``slow``, ``hub``, ``4``, ``4 fast`` or ``generic``.
        """
        settings = self.settings | {"tokenizer_class": self.cls}
        if layout in ("slow", "hub", "4"):
            for name, content in self.slow.items():
                (folder / name).write_bytes(content)
        if layout != "slow":
            self.fast.save(str(folder / "tokenizer.json"))
        if layout in ("4", "4 fast", "generic"):
            (folder / "special_tokens_map.json").write_text(json.dumps(self.tokens))
            settings |= self.tokens | {"added_tokens_decoder": self._added}
        if layout == "4 fast":
            settings["tokenizer_class"] = f"{self.cls}Fast"
        if layout == "generic":
            settings["tokenizer_class"] = "PreTrainedTokenizerFast"
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))

    @property
    def _added(self) -> dict[str, Any]:
        return {
            str(number): {
                "content": token.content,
                "lstrip": token.lstrip,
                "normalized": token.normalized,
                "rstrip": token.rstrip,
                "single_word": token.single_word,
                "special": token.special,
            }
            for number, token in self.fast.get_added_tokens_decoder().items()
        }


@cache
def corpus() -> tuple[str, ...]:
    table = training_mix(600, seed=0, split="train")
    return (*dict.fromkeys([*table["premise"], *table["hypothesis"]]), *ODD * 3)


def framed(fast: Tokenizer, single: str, pair: str) -> None:
    """Let a tokenizer put special tokens around texts, by templates."""
    named = {part.partition(":")[0] for part in pair.split()} - {"$A", "$B"}
    fast.post_processor = processors.TemplateProcessing(
        single=single,
        pair=pair,
        special_tokens=[(token, fast.token_to_id(token)) for token in sorted(named)],
    )


def frame_of(
    pieces: Callable[[str], Ids], single: tuple[Ids, Ids], between: Ids
) -> Callable[[str, str | None], Ids]:
    """Put special tokens around one text, or around and between two."""
    before, after = single

    def ids(text: str, pair: str | None) -> Ids:
        first = before + pieces(text)
        return first + after if pair is None else first + between + pieces(pair) + after

    return ids


BERT_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
ROBERTA_TOKENS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
