// Which instruction set the kernels use; chosen once, at first use.
#pragma once

#include <string>
#include <vector>

namespace deepsad::kernels {

enum class Isa { scalar, avx2, avx512 };

/// The set in use: the best that both the processor and this build have, or what the environment variable
/// DEEPSAD_FORCE_ISA (scalar, avx2, avx512) says.
/// @throws InvalidArgument if DEEPSAD_FORCE_ISA names an unknown set, or one the processor or build lacks.
/// The kernels ask it too, and being noexcept they would end the program: call it once before the first
/// kernel.
[[nodiscard]] Isa active_isa();
/// Replaces the choice, for tests and benchmarks that compare sets; no kernel may run meanwhile. Packed
/// weights (conv2d_pack) of one set mean nothing to another. @throws InvalidArgument if the set is not among
/// available_isas()
void force_isa(Isa isa);
/// "scalar", "avx2", "avx512".
[[nodiscard]] std::string isa_name(Isa isa);
/// All sets that would run here, best first; scalar is always the last.
[[nodiscard]] std::vector<Isa> available_isas();

}  // namespace deepsad::kernels
