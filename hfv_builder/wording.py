"""Numbers in sentences: with their noun in singular or plural, shares in percent, and significant digits."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return the number with its noun, and what else differs in the plural.

    >>> counted(1, "clip"), counted(2, "clip"), counted(2, "clip is", "clips are")
    ('1 clip', '2 clips', '2 clips are')
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def percent(share: float, digits: int = 1) -> str:
    """Return a share in percent, as 0 or 100 only if it is that.

    >>> percent(0.25), percent(1.0), percent(0.0001), percent(0.9999, 0)
    ('25.0 %', '100.0 %', 'under 0.1 %', 'over 99 %')
    """
    text, step = f"{100 * share:.{digits}f}", 10.0**-digits
    if share > 0 and float(text) == 0:
        return f"under {step:g} %"
    if share < 1 and float(text) == 100:
        return f"over {100 - step:g} %"
    return f"{text} %"


def significant(value: float, digits: int = 3) -> float:
    """Return the value with so many significant digits, so that a small one is not 0.

    >>> significant(0.0012345), significant(12345.6)
    (0.00123, 12300.0)
    """
    return float(f"{value:.{digits}g}")
