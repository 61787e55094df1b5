"""Noise of images with several channels: the correlation of the channels and their different levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clearer.degradations.draws import Draws
from clearer.degradations.ranges import Level, checked_level, ends, in_words

if TYPE_CHECKING:
    from torch import Tensor


def channel_noise(draws: Draws, shape: tuple[int, ...], correlation: Level) -> Tensor:
    """Return standard normal noise, white in each channel, whose channels are correlated.

    Args:
        draws: the source.
        shape: channels, height, width.
        correlation: of two channels, -0.5 to 1. At 1 all channels have the same noise; at -0.5 the noise of three
            channels sums up to 0, which leaves the brightness as it is.

    Returns:
        (B, \\*shape).
    """
    import torch

    channels, *sides = shape
    if channels == 1 or correlation == 0:
        return draws.normal(*shape)
    if correlation == 1:
        return draws.normal(1, *sides).expand(-1, channels, -1, -1)
    own = draws.normal(*shape)
    share = draws.level(correlation)
    # The square root of the covariance matrix acts on the mean of the channels and on the rest.
    mean = own.mean(1, keepdim=True)
    along = ((1 + (channels - 1) * torch.as_tensor(share)).clamp(min=0)).sqrt()
    return (own - mean) * (1 - share) ** 0.5 + mean * along.to(own)


def channel_factors(draws: Draws, channels: int, spread: float) -> Tensor | float:
    """Return factors of the noise level of each channel, (B, C, 1, 1), whose root mean square is 1.

    Args:
        draws: the source.
        channels: number of channels; a single one keeps its level.
        spread: 0 to 1; before they are scaled, factors are uniform in [1 - spread, 1 + spread].
    """
    if channels == 1 or spread == 0:
        return 1.0
    factors = 1 + spread * (2 * draws.uniform(channels, 1, 1) - 1)
    return factors / factors.square().mean(1, keepdim=True).sqrt()


def checked_spread(value: Any) -> float:
    """Return the setting ``channel_spread``, or raise a UserError that begins with its name."""
    return ends(checked_level("channel_spread", (0, value), 0, 1, "a spread from 0 to 1"))[1]


def checked_correlation(value: Any) -> Level:
    """Return the setting ``channel_correlation``, or raise a UserError that begins with its name."""
    return checked_level("channel_correlation", value, -0.5, 1, "a correlation from -0.5 to 1")


def channels_in_words(spread: float, correlation: Level) -> str:
    """Return what follows the level of the noise in a description, with a comma at its end; "" at the defaults.

    >>> channels_in_words(0.5, 1.0)
    'channels of different level (spread 0.5), the same in all channels, '
    """
    words = []
    if spread:
        words.append(f"channels of different level (spread {spread:g})")
    if correlation == 1:
        words.append("the same in all channels")
    elif correlation:
        words.append(f"channels correlated by {in_words(correlation)}")
    return "".join(f"{word}, " for word in words)
