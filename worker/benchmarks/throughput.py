"""How fast the denoiser runs here, by batch, against this machine's matrix multiplication: ``make bench``.

Prints sample-forwards a second with and without a gradient to the embedding, and their share of the measured GEMM
peak. FLOPs are counted, not estimated; seconds are this machine's and are never gated on.
"""

import sys
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from worker.benchmarks import bundled
from worker.benchmarks.running import use_cores

BATCHES = (1, 8, 32, 128)


def timed(call: Callable[[], object], repeats: int = 3) -> float:
    """The best of a few runs, after one to warm up."""
    call()
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return best


def gemm_peak(n: int = 1536) -> float:
    """FLOP/s of an n×n×n product."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    return 2 * n**3 / timed(lambda: a @ b)


def main() -> None:
    """Entry point."""
    use_cores()
    model = bundled.model()
    C, H, W = model.latent_shape
    y = model.encode_prompts([""])

    def inputs(B: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return torch.randn(B, C, H, W), torch.full((B,), 500), y.expand(B, -1, -1)

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eps(*inputs(1))
    flops, peak = counter.get_total_flops(), gemm_peak()
    sys.stdout.write(f"{flops / 1e9:.3f} GFLOP a sample-forward, GEMM peak {peak / 1e9:.0f} GFLOP/s\n")
    sys.stdout.write("batch   forwards/s  of peak   with gradient/s\n")
    for B in BATCHES:
        x_t, t, y_B = inputs(B)

        def forward(x_t: torch.Tensor = x_t, t: torch.Tensor = t, y_B: torch.Tensor = y_B) -> None:
            with torch.no_grad():
                model.eps(x_t, t, y_B)

        def gradient(x_t: torch.Tensor = x_t, t: torch.Tensor = t, y_B: torch.Tensor = y_B) -> None:
            leaf = y_B.clone().requires_grad_()
            torch.autograd.grad(model.eps(x_t, t, leaf).sum(), leaf)

        plain, graded = B / timed(forward), B / timed(gradient)
        sys.stdout.write(f"{B:5d} {plain:12.0f} {plain * flops / peak:8.0%} {graded:17.0f}\n")


if __name__ == "__main__":
    main()
