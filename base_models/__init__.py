"""Networks, heads, losses, and the one training loop."""

import os

# A backend reads these when it is imported, which modules here do at their beginning. What the environment says counts.
ENVIRONMENT = {
    # TensorFlow gives the memory of every step back and takes it anew; where that is slow (virtual machines) an epoch
    # takes twice as long.
    "TF_CPU_ALLOCATOR_USE_BFC": "true",
    # Without AVX-512 TensorFlow leaves oneDNN aside by itself; it is half as fast then.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # The first process on a GPU takes nearly all of its memory at once, unless told to take what it needs: then workers
    # (--jobs) and other commands find some.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)
