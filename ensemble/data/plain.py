"""Plain tables, read fast: every line has as many cells as the header, none quoted.

pyarrow reads blocks of lines, several at a time, and refuses rows of another length,
text that is not UTF-8 and cells that are no numbers; what it would let pass is looked
for here. At the first oddity of any kind the reader gives up, without saying where.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import BinaryIO

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from ensemble.data.faults import Faults
from ensemble.data.header import Columns, check_header
from ensemble.data.rows import LONGEST_LINE

BLOCK = 1 << 21  # bytes: some for each thread, also of files of a few megabytes
MOST_THREADS = 8
SLAB = 1 << 25  # bytes; the C library gives those back to the system, smaller ones not
BOM = b"\xef\xbb\xbf"
NEWLINE = ord("\n")

Block = tuple[list[np.ndarray], np.ndarray]  # text column by column, numbers_CN


class NotPlain(Exception):  # noqa: N818 - nothing is wrong yet
    """The table needs the reader of `rows.py`."""


def read_plain(stream: BinaryIO, columns: Columns) -> pd.DataFrame:
    """The columns of a table, indexed by line; `NotPlain` if anything is odd."""
    text: list[list[np.ndarray]] = [[] for _ in columns.text]
    numbers = _Numbers(len(columns.numeric))
    n_rows = 0
    for block_text, block_CN in _parsed(stream, columns):
        for parts, cells in zip(text, block_text, strict=True):
            parts.append(cells)
        numbers.add(block_CN)
        n_rows += block_CN.shape[1]
    joined = [np.concatenate([np.empty(0, object), *parts]) for parts in text]
    return _frame(joined, numbers.join(n_rows), columns)


def iterate_plain(stream: BinaryIO, columns: Columns) -> Iterator[pd.DataFrame]:
    """The same in blocks of rows; `NotPlain` only when an odd block is met."""
    n_read = 0
    for text, values_CN in _parsed(stream, columns):
        yield _frame(text, values_CN, columns, n_read)
        n_read += values_CN.shape[1]


def _parsed(stream: BinaryIO, columns: Columns) -> Iterator[Block]:
    """The blocks in order, parsed by several threads; few are held at a time."""
    parse = partial(_parse, _plain_header(stream, columns), columns)
    n_threads = min(MOST_THREADS, joblib.cpu_count())
    running: deque[Future[Block]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for block in _blocks(stream):
            running.append(pool.submit(parse, block))
            if len(running) > n_threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _plain_header(stream: BinaryIO, columns: Columns) -> list[str]:
    line = stream.readline(LONGEST_LINE).removeprefix(BOM).rstrip(b"\r\n")
    if any(odd in line for odd in (b'"', b"\0", b"\r")) or b"," not in line:
        raise NotPlain
    header = line.decode(errors="replace").split(",")
    faults = Faults()
    check_header(header, columns, faults)
    if faults:
        raise NotPlain
    return header


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines."""
    rest = b""
    while data := stream.read(BLOCK):
        end = data.rfind(b"\n") + 1
        if end:
            yield b"".join((rest, memoryview(data)[:end]))
            rest = data[end:]
        else:
            rest += data
        if len(rest) > LONGEST_LINE:
            raise NotPlain
    if rest:
        yield rest + b"\n"


def _parse(header: list[str], columns: Columns, block: bytes) -> Block:
    """The cells of a block, or `NotPlain`."""
    _refuse_odd(block)
    kinds = dict.fromkeys(columns.text, pa.string())
    kinds |= dict.fromkeys(columns.numeric, pa.float64())
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block),
            pa.csv.ReadOptions(
                use_threads=False, block_size=len(block), column_names=header
            ),
            pa.csv.ParseOptions(quote_char=False),
            pa.csv.ConvertOptions(column_types=kinds, null_values=[""]),
        )
    except pa.ArrowInvalid:
        raise NotPlain from None
    n_lines = np.count_nonzero(np.frombuffer(block, np.uint8) == NEWLINE)
    if len(table) != n_lines:  # blank lines are skipped
        raise NotPlain
    text = [table[name].to_numpy() for name in columns.text]
    return text, _numbers(table, columns)


def _refuse_odd(block: bytes) -> None:
    """What pyarrow reads in silence, each in its own way."""
    if b'"' in block or b"\0" in block or block.startswith(BOM):
        raise NotPlain
    if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
        raise NotPlain


def _numbers(table: pa.Table, columns: Columns) -> np.ndarray:
    values_CN = np.empty((len(columns.numeric), len(table)))
    for name, values_N in zip(columns.numeric, values_CN, strict=True):
        column = table[name]
        values_N[:] = column.to_numpy()
        n_empty = column.null_count
        n_finite = np.count_nonzero(np.isfinite(values_N))
        if n_finite + n_empty < len(values_N):  # inf, nan, 1e400
            raise NotPlain
        if n_empty and name in columns.complete:
            raise NotPlain
        columns.blank(name, values_N)
    return values_CN


class _Numbers:
    """Columns that grow block by block and need little more memory than in the end.

    The blocks are gathered in slabs, which are let go one by one when they are joined.
    """

    def __init__(self, n_columns: int) -> None:
        self._n_columns = n_columns
        self._slabs: list[np.ndarray] = []
        self._blocks: list[np.ndarray] = []

    def add(self, block_CN: np.ndarray) -> None:
        self._blocks.append(block_CN)
        if sum(block.nbytes for block in self._blocks) > SLAB:
            self._slabs.append(np.concatenate(self._blocks, axis=1))
            self._blocks.clear()

    def join(self, n_rows: int) -> np.ndarray:
        parts = deque(self._slabs + self._blocks)
        self._slabs, self._blocks = [], []
        joined_CN = np.empty((self._n_columns, n_rows))
        end = 0
        while parts:
            part_CN = parts.popleft()
            joined_CN[:, end : end + part_CN.shape[1]] = part_CN
            end += part_CN.shape[1]
        return joined_CN


def _frame(
    text: list[np.ndarray], values_CN: np.ndarray, columns: Columns, n_before: int = 0
) -> pd.DataFrame:
    first = n_before + 2
    lines = pd.RangeIndex(first, first + values_CN.shape[1], name="line")
    table = pd.DataFrame(
        values_CN.T, columns=list(columns.numeric), index=lines, copy=False
    )
    for place, name in enumerate(columns.text):  # pd.concat would copy the numbers
        cells = pd.Series(text[place], index=lines, dtype=object)
        table.insert(place, name, cells)
    return table
