"""`python -m bot`: the same as `rivulet`, for where the package is not installed."""

from bot.run.cli import main

if __name__ == "__main__":
    main()
