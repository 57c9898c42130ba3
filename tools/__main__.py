"""`python -m tools`: the same as the command `ttg`."""

from tools.ttg import main

main()
