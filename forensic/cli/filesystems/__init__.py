"""`qcowscope fs`: the files inside a disk, one module a command."""
