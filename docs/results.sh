#!/bin/sh
# Every learning figure of docs/results.md. Usage: sh docs/results.sh [NEURO_COMMAND] [OUT_FOLDER]
# Needs MNIST and Fashion-MNIST (see `neuro continual --help` for where they are looked for).
# Interrupted? Run it again: finished seeds are kept.
set -eu
neuro=${1:-neuro}
python=$(dirname "$(command -v "$neuro")")/python
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
"$neuro" continual --dataset digits --sleep lava --seeds 0-4 --out "$out/digits-lava"
"$neuro" continual --dataset mnist --sleep lava --seeds 0-4 --no-baselines --out "$out/mnist-lava"
"$neuro" continual --dataset mnist --preset best --sleep none --seeds 0-4 --out "$out/mnist-best-none"
for data in mnist fashion-mnist; do
    "$neuro" continual --dataset $data --preset best --sleep brian2 --seeds 0-4 --no-baselines --out "$out/$data-best"
done
"$neuro" continual --dataset mnist --preset best --sleep brian2 --rehearsal 0.02 --seeds 0-4 --no-baselines --out "$out/mnist-best-rehearsal"
for data in mnist digits; do
    "$neuro" continual --dataset $data --sleep reference --seeds 0-4 --analyse --out "$out/$data-analysed"
done
"$neuro" compare "$(dirname "$0")/../examples/mnist_comparison.toml" --out "$out/mnist-comparison"
"$neuro" continual --dataset cifar10 --features conv --sleep brian2 --seeds 0-4 --joint --out "$out/cifar10-conv"
for rehearsal in 0 0.02; do
    "$neuro" continual --dataset mnist+fashion-mnist+cifar10 --images-per-task 1000 --sleep brian2 --rehearsal $rehearsal --seeds 0-4 --out "$out/sequence-$rehearsal"
    "$neuro" continual --dataset mnist+fashion-mnist+cifar10 --classes-per-task 10 --images-per-task 3000 --sleep brian2 --rehearsal $rehearsal --seeds 0-4 --out "$out/sets-$rehearsal"
done
"$neuro" sensitivity --dataset digits --seeds 200-209 --out "$out/sensitivity-digits"
"$neuro" bench --json "$out/bench.json"

# Predictive coding: columns beside the chain and surrogate gradients.
pc="continual --learner pc --class-order shuffled --seeds 0-4"
"$neuro" $pc --dataset digits --images-per-class 100 --out "$out/pc-digits"
for data in mnist fashion-mnist; do
    "$neuro" $pc --dataset $data --images-per-class 300 --test-images 200 --joint --out "$out/pc-$data"
    "$neuro" $pc --dataset $data --images-per-class 300 --test-images 200 --no-baselines --set events=spiking --out "$out/pc-$data-spiking"
    "$neuro" $pc --dataset $data --images-per-class 300 --test-images 200 --no-baselines --set integer_weights=true --out "$out/pc-$data-integers"
    "$neuro" continual --learner pc --seeds 0-4 --dataset $data --preset best --no-baselines --no-joint --out "$out/pc-$data-all"
    "$neuro" continual --learner pc --seeds 0-4 --dataset $data --protocol permuted --tasks 10 --images-per-class 100 --test-images 300 --joint --set columns=180 --out "$out/pc-$data-permuted"
    "$neuro" continual --learner pc --seeds 0-4 --dataset $data --features dct --preset best --no-baselines --no-joint --out "$out/pc-$data-all-dct"
done
for data in mnist fashion-mnist mnist+fashion-mnist; do  # whole test sets
    "$neuro" $pc --dataset $data --images-per-class 300 --no-baselines --no-joint --out "$out/pc-$data-whole"
done
for data in mnist cifar10; do
    "$neuro" $pc --dataset $data --features dct --images-per-class 300 --no-baselines --no-joint --out "$out/pc-$data-dct-whole"
done
"$neuro" $pc --dataset mnist+fashion-mnist --images-per-class 300 --test-images 200 --joint --out "$out/pc-both"
"$neuro" continual --learner pc --seeds 0-4 --dataset mnist --protocol permuted --tasks 20 --images-per-class 100 --test-images 100 --no-baselines --no-joint --set columns=400 --out "$out/pc-permuted-20"
"$neuro" continual --dataset fashion-mnist --learner sg --regulariser ewc --protocol permuted --tasks 10 --images-per-class 100 --test-images 300 --joint --seeds 0-4 --out "$out/sg-fashion-mnist-permuted"
for blur in 0 0.3 0.6; do
    "$neuro" continual --learner pc --seeds 0-4 --dataset mnist --protocol permuted --tasks 4 --blur $blur --images-per-class 100 --test-images 300 --no-baselines --no-joint --out "$out/pc-blur-$blur"
done
"$neuro" $pc --dataset mnist --blur 0.6 --images-per-class 300 --test-images 200 --no-baselines --no-joint --out "$out/pc-mnist-blur"
for learner in sg pc-chain; do
    "$neuro" continual --dataset mnist --learner $learner --regulariser isi-cv --images-per-class 300 --test-images 200 --no-joint --seeds 0-4 --out "$out/isi-$learner"
done
"$neuro" continual --dataset mnist --learner pc --protocol permuted --tasks 4 --regulariser isi-cv --images-per-class 100 --test-images 300 --no-joint --seeds 0-4 --out "$out/isi-pc"
"$python" -m neuro.models.predictive.sleep --images-per-class 100 --test-images 120
"$python" -m neuro.models.predictive.sleep --learner pc --images-per-class 100 --test-images 100 --set images=30

# Offline reactivation, rates and spikes.
for task in anchor head-direction; do
    "$neuro" reactivate --task $task --seeds 0-4 --spiking brian2 --out "$out/reactivate-$task"
done
"$neuro" reactivate --task head-direction --bias biased --seeds 0-4 --out "$out/reactivate-turning"
"$neuro" reactivate --task position --seeds 0-4 --out "$out/reactivate-position"
"$neuro" reactivate --task anchor --seeds 0-4 --set offline_steps=16000 --set burn_in=8000 --set start=point --out "$out/reactivate-long"
"$neuro" reactivate --task anchor --seeds 0-4 --spiking native --pools stochastic --out "$out/reactivate-stochastic"
