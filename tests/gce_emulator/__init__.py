# SPDX-License-Identifier: Apache-2.0
"""An emulator of the part of Compute Engine that libgpucluster uses. SIMULATED throughout."""
