#!/bin/bash
# What every node does: join the Ray cluster of this job; the first node also runs the study.
source "$HOME/heuristic-core/.venv/bin/activate"

# Nodes often have no way out; models and data lie in the shared folder.
export HF_HUB_OFFLINE=1
export HCORE_DATA="$PWD/data"
# Sockets need a short path on the node's own disk.
export RAY_TMPDIR="/tmp/ray-$SLURM_JOB_ID"

exec ray symmetric-run \
  --address "$RAY_HEAD" \
  --min-nodes "$SLURM_NNODES" \
  --num-cpus "$SLURM_CPUS_PER_TASK" \
  -- hcore run "$@" --ray --threads 4
