#!/bin/sh
# Every learning figure of docs/results.md. Usage: sh docs/results.sh [NEURO_COMMAND] [OUT_FOLDER]
# Needs MNIST and Fashion-MNIST (see `neuro continual --help` for where they are looked for).
# Interrupted? Run it again: finished seeds are kept.
set -eu
neuro=${1:-neuro}
out=${2:-results}
mkdir -p "$out"
"$neuro" check-gradient
"$neuro" continual --dataset digits --sleep brian2 --seeds 0-4 --out "$out/digits"
"$neuro" continual --dataset mnist --sleep none --seeds 0-4 --out "$out/mnist-none"
"$neuro" continual --dataset mnist --sleep brian2 --seeds 0-4 --out "$out/mnist-brian2"
"$neuro" continual --dataset mnist --sleep reference --seeds 0-4 --out "$out/mnist-reference"
"$neuro" continual --dataset mnist --sleep brian2 --rehearsal 0.02 --seeds 0-4 --out "$out/mnist-rehearsal"
"$neuro" continual --dataset fashion-mnist --sleep brian2 --seeds 0-4 --out "$out/fashion"
"$neuro" continual --dataset mnist --sleep none --joint --seeds 0-4 --out "$out/mnist-joint"
"$neuro" bench --json "$out/bench.json"
