// A non-owning view of a row-major matrix. Library-wide data contract: one row per sample, float32 in the
// engine, larger score = more anomalous; whoever allocated the memory owns it.
#pragma once

#include <cassert>
#include <cstddef>
#include <span>
#include <type_traits>

namespace deepsad {

/// rows x cols elements, row i starting at data() + i * stride(). Copies are cheap; the view owns nothing.
template <class T>
class MatrixView {
 public:
  MatrixView() = default;
  MatrixView(T* data, std::size_t rows, std::size_t cols) : MatrixView(data, rows, cols, cols) {}
  MatrixView(T* data, std::size_t rows, std::size_t cols, std::size_t stride)
      : data_(data), rows_(rows), cols_(cols), stride_(stride) {
    assert(stride >= cols);
  }
  // NOLINTNEXTLINE(google-explicit-constructor): a mutable view is a view.
  operator MatrixView<const T>() const requires(!std::is_const_v<T>) {
    return {data_, rows_, cols_, stride_};
  }

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t cols() const { return cols_; }
  [[nodiscard]] std::size_t stride() const { return stride_; }
  [[nodiscard]] bool empty() const { return rows_ == 0 || cols_ == 0; }
  [[nodiscard]] std::span<T> row(std::size_t i) const {
    assert(i < rows_);
    return {data_ + i * stride_, cols_};
  }
  [[nodiscard]] T& operator()(std::size_t i, std::size_t j) const {
    assert(i < rows_ && j < cols_);
    return data_[i * stride_ + j];
  }
  /// Rows [first, first + n).
  [[nodiscard]] MatrixView rows_from(std::size_t first, std::size_t n) const {
    assert(first + n <= rows_);
    return {data_ + first * stride_, n, cols_, stride_};
  }

 private:
  T* data_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
  std::size_t stride_ = 0;
};

}  // namespace deepsad
