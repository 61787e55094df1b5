"""``python -m clearer`` is the command ``clearer``."""

from clearer.cli import main

if __name__ == "__main__":
    main()
