"""``python -m rakuten.cli``: the ``rakuten`` command."""

from rakuten.cli.app import main

if __name__ == "__main__":
    main()
