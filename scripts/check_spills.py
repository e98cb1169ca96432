#!/usr/bin/env python3
"""Fails if an inner loop of a vector kernel keeps accumulators on the stack instead of in registers.

    scripts/check_spills.py build/dev/src/libdeepsad.a

Looks at every innermost loop of the AVX2 and AVX-512 kernels that has at least MIN_FMAS multiply-adds, and counts
the vector loads and stores whose address is relative to the stack or frame pointer. Operands on the stack cost a
load each, which is why a few are allowed where they are known (ALLOWED); a spilled accumulator costs a load and a
store an iteration. Needs objdump (binutils). Exit code: 0 no spills, 1 spills, 2 nothing to look at.
"""

import re
import subprocess
import sys

MIN_FMAS = 8
FREE = 32  # one access in so many multiply-adds costs nothing (loops that the compiler unrolled)
# Functions (matched in the demangled name) in which some accesses are right, and how many a loop.
ALLOWED = {
    "::forward_block<": 50,  # dense: a piece of the weights is copied to the stack to be broadcast from there
    "::convolution_tile<": 3,  # upsample_conv: a constant in the loop over taps at the border
    # Elementwise, no accumulators: constants of the polynomials of exp, log, sin and cos.
    "::gaussian_": 32,
    "::bernoulli_loss(": 8,
    "N_AVX2::sigmoid_squared_error(": 1,
    # winograd1d: one of the channel's constants.
    "N_AVX2::(anonymous namespace)::UnpoolColumn::from_memory(": 1,
    # winograd1d on 16 registers: operands of tiles at the border (4 % to 25 % of the tiles).
    "forward_tile<true, false, deepsad::kernels::N_AVX2::(anonymous namespace)::Rows<2": 2,
    "forward_tile<true, true, deepsad::kernels::N_AVX2::(anonymous namespace)::Rows<2": 2,
    "forward_tile<false, false, deepsad::kernels::N_AVX2::": 4,
    # The loop over parts, around the two halves of the points: sums of the first wait on the stack for the second.
    "forward_tile<true, false, deepsad::kernels::N_AVX2::(anonymous namespace)::Rows<0ul, 6ul>, true>": 8,
    "forward_tile<false, true, deepsad::kernels::N_AVX2::": 4,
}

FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
STACK_VECTOR = re.compile(r"%[yz]mm\d+.*\(%r[sb]p|\(%r[sb]p[^)]*\).*%[yz]mm\d+")


def functions(archive):
    """(name, [(address, mnemonic, operands)]) of every vector kernel."""
    text = subprocess.run(["objdump", "-d", "-C", "--no-show-raw-insn", archive], check=True, capture_output=True,
                          text=True).stdout
    name, body = None, []
    for line in text.splitlines() + ["0 <end>:"]:
        match = FUNCTION.match(line)
        if match:
            if name and re.search(r"\bN_AVX[23]::", name):
                yield name, body
            name, body = match.group(1), []
            continue
        match = INSTRUCTION.match(line)
        if match:
            body.append((int(match.group(1), 16), match.group(2), match.group(3)))


def innermost_loops(body):
    """Instructions between the target of a backward jump and the jump, of loops without a loop inside."""
    ranges = []
    for address, mnemonic, operands in body:
        target = re.match(r"([0-9a-f]+)\b", operands)
        if mnemonic.startswith("j") and target and int(target.group(1), 16) <= address:
            ranges.append((int(target.group(1), 16), address))
    for first, last in ranges:
        if any(first <= f and l <= last and (f, l) != (first, last) for f, l in ranges):
            continue
        yield [instruction for instruction in body if first <= instruction[0] <= last]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    loops, spills = 0, 0
    for name, body in functions(sys.argv[1]):
        for loop in innermost_loops(body):
            fmas = sum(1 for _, mnemonic, _ in loop if re.match(r"vfn?m(add|sub)", mnemonic))
            if fmas < MIN_FMAS:
                continue
            loops += 1
            stack = [operands for _, mnemonic, operands in loop
                     if mnemonic.startswith("v") and STACK_VECTOR.search(operands)]
            allowed = max([fmas // FREE] + [n for pattern, n in ALLOWED.items() if pattern in name])
            if len(stack) > allowed:
                spills += 1
                print(f"{name}: a loop of {fmas} multiply-adds has {len(stack)} vector accesses to the stack, "
                      f"allowed {allowed}")
    print(f"{loops} inner loops looked at, {spills} with spills")
    sys.exit(2 if loops == 0 else 1 if spills else 0)


if __name__ == "__main__":
    main()
