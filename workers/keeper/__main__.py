"""The keeper as a program: ``python -m workers.keeper``."""

from workers.keeper.process import main

if __name__ == "__main__":
    main()
