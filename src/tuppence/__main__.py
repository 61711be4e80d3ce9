"""`python -m tuppence` is the program `tuppence`."""

from tuppence.cli import main

if __name__ == "__main__":
    main()
