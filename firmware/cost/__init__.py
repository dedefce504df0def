"""What the firmware's core costs on a chip, measured without one: `make firmware-cost`.

Compiles the core for bare metal, runs test/cost.cpp on an emulated chip that counts instructions, and reads the deepest
stack off the machine code. Counts are exact and the same on every computer.
"""
