// What the store needs of SQLite: a connection, a statement with typed parameters and columns, a transaction.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace deepsad::sqlite {

/// A prepared statement. Parameters are numbered from 1, columns from 0, as in SQLite.
class Statement {
 public:
  Statement(sqlite3* connection, std::string_view sql);

  Statement& bind(int parameter, std::string_view text);
  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, double value);
  Statement& bind_null(int parameter);

  /// Goes to the next row; false at the end. @throws IoError
  [[nodiscard]] bool next();
  /// Runs a statement without rows, and makes it ready to run again. @throws IoError
  void run();

  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  sqlite3* connection_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Connection {
 public:
  /// Opens or creates the file. Waits for locks of other processes. @throws IoError
  explicit Connection(const std::string& path);

  /// Statements without parameters and rows, separated by semicolons. @throws IoError
  void execute(const char* sql) const;
  [[nodiscard]] Statement prepare(std::string_view sql) const { return {connection_.get(), sql}; }
  [[nodiscard]] std::int64_t integer(const char* sql) const;
  /// Rows that the last INSERT, UPDATE or DELETE changed.
  [[nodiscard]] std::int64_t n_changed() const;

 private:
  struct Close {
    void operator()(sqlite3* connection) const noexcept;
  };
  std::unique_ptr<sqlite3, Close> connection_;
};

/// All or nothing: what was done since the constructor is undone unless commit() was called. Takes the write
/// lock at once, so that what is read within stays true until commit().
class Transaction {
 public:
  explicit Transaction(const Connection& connection);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Connection& connection_;
  bool open_ = true;
};

}  // namespace deepsad::sqlite
