#include "deepsad/detectors/scoring_network.h"

#include "deepsad/core/error.h"

namespace deepsad {

std::string_view to_string(ScoreForm form) {
  switch (form) {
    case ScoreForm::squared_distance:
      return "squared_distance";
    case ScoreForm::mean_squared_error:
      return "mean_squared_error";
    case ScoreForm::cross_entropy:
      return "cross_entropy";
    case ScoreForm::logit:
      return "logit";
    case ScoreForm::softmax:
      return "softmax";
  }
  throw InvalidArgument("[scoring_network] unknown form of a score");
}

}  // namespace deepsad
