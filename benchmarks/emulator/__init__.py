"""Our Lambda handler against hand-written ones, through AWS's runtime interface client and emulator.

handlers/ has a folder for each: its code, and why it is written so. They import nothing of this repository.
"""
