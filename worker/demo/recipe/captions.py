"""The bundled model's own CLIP tokenizer: byte-level BPE learnt from its training captions."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
LENGTH = 20
VOCABULARY = 2000


def learn(captions: list[str]) -> CLIPTokenizer:
    """A CLIPTokenizer of 20 tokens whose vocabulary holds every byte, so that any prompt can be read."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Lowercase()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.train_from_iterator(
        captions,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY - 2 - 2 * len(alphabet),
            initial_alphabet=alphabet,
            end_of_word_suffix="</w>",
            show_progress=False,
        ),
    )
    merges = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    bytes_ = sorted(alphabet)
    words = bytes_ + [b + "</w>" for b in bytes_]
    words += [merged for a, b in merges if (merged := a + b) not in set(words)]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*words, BOS, EOS]))}
    with tempfile.TemporaryDirectory() as folder:
        vocab, merged_file = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocab.write_text(json.dumps(vocabulary, ensure_ascii=False))
        merged_file.write_text("#version: 0.2\n" + "\n".join(f"{a} {b}" for a, b in merges) + "\n")
        return CLIPTokenizer(str(vocab), str(merged_file), model_max_length=LENGTH, pad_token=EOS)
