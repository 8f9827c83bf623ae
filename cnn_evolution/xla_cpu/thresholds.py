"""Where one way to compute a convolution becomes faster than another, on a CPU.

`python -m experiments.measure_convolutions` times every way on every kind of layer, and prints where these numbers
choose another than the fastest.
"""

# Winograd's algorithm (`winograd.py`): with fewer channels, smaller maps or fewer tiles the products are too thin.
WINOGRAD_CHANNELS = 64  # on either side
WINOGRAD_MAP = 7  # pixels of the output's shorter side
WINOGRAD_TILES = 32  # in the whole batch
WINOGRAD_BYTES = 2**28  # of transformed maps at a time, forward
WINOGRAD_CACHE = 2**24  # bytes of transformed maps that stay in the last cache

# Sums of scaled taps (`small_cin.py`): with more products for each output, XLA's own kernel is faster.
SMALL_CIN_PRODUCTS = 27

# Images as channels (`correlation.py`): the gradient of the output is the kernel, which should stay in a cache.
CORRELATION_CACHE = 1_250_000  # bytes of a core's second-level cache
CORRELATION_WIDE = 16  # images that fill vector registers as channels
CORRELATION_IMAGES = 4  # with fewer at a time, im2col is faster

# Grouped kernels (`grouped.py`).
GROUPED_CHANNELS = 16  # of a block of groups: as wide as a vector register of float32
GROUPED_BLOCKS = 4  # computed side by side

# Depthwise kernels (`depthwise.py`).
DEPTHWISE_IMAGES = 2  # added up side by side in the gradient of the kernel

# Products of matrices (`matmul.py`).
MATMUL_LARGE = 2**27  # multiplications from which on a transposition in memory pays
MATMUL_TALL = 64  # times as many rows as columns
MATMUL_CHUNKS = 4  # of a tall product, side by side
