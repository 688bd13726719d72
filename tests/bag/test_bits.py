from hypothesis import given
from hypothesis import strategies as st

from ensemble.bag.bits import CountedBits, next_words
from tests.reference import splitmix64

SEEDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3)


@given(SEEDS, st.lists(st.integers(1, 50), min_size=1, max_size=4))
def test_draw_after_draw_the_words_are_those_of_the_published_generator(seeds, sizes):
    bits = CountedBits(seeds, "cpu")
    drawn = [bits.draw(8 * n_words).clone() for n_words in sizes]
    for m, seed in enumerate(seeds):
        words = b"".join(bytes(one[m].tolist()) for one in drawn)
        expected = splitmix64(seed, sum(sizes))
        assert words == b"".join(word.to_bytes(8, "little") for word in expected)


@given(SEEDS, st.integers(1, 50))
def test_words_of_torch_are_those_of_the_compiled_loop(seeds, n_words):
    bits = CountedBits(seeds, "cpu")
    expected = next_words(bits.state_M1, n_words)
    words = bits.draw(8 * n_words)
    assert bytes(words.flatten().tolist()) == expected.numpy().tobytes()


def test_bytes_that_fill_no_word_are_the_first_of_it():
    whole, part = (CountedBits([5], "cpu").draw(n).tolist() for n in (16, 11))
    assert part[0] == whole[0][:11]
