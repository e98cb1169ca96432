// The commands of the program; each has its own file command_<name>.cpp with its declaration and what it
// does.
#pragma once

#include "arguments.h"
#include "console.h"
#include "exit_codes.h"

namespace deepsad::cli {

// declarations.cpp
Command declare_train();
Command declare_baseline_semidgm();
Command declare_baseline_ocsvm();
Command declare_baseline_isoforest();
Command declare_baseline_kde();
Command declare_baseline_ssad();
Command declare_evaluate();
Command declare_score();
Command declare_threshold();
Command declare_explain();
Command declare_doctor();
Command declare_inspect();
Command declare_export();
Command declare_import();
Command declare_experiment_run();
Command declare_experiment_list();
Command declare_experiment_status();
Command declare_data_list();
Command declare_data_info();
Command declare_data_fetch();
Command declare_data_check();
Command declare_experiment_report();
Command declare_version();
Command declare_completion();
Command declare_manual();

// command_<name>.cpp
int run_train(const Arguments& arguments, Console& console);
int run_baseline_semidgm(const Arguments& arguments, Console& console);
int run_baseline_ocsvm(const Arguments& arguments, Console& console);
int run_baseline_isoforest(const Arguments& arguments, Console& console);
int run_baseline_kde(const Arguments& arguments, Console& console);
int run_baseline_ssad(const Arguments& arguments, Console& console);
int run_evaluate(const Arguments& arguments, Console& console);
int run_score(const Arguments& arguments, Console& console);
int run_threshold(const Arguments& arguments, Console& console);
int run_explain(const Arguments& arguments, Console& console);
int run_doctor(const Arguments& arguments, Console& console);
int run_inspect(const Arguments& arguments, Console& console);
int run_export(const Arguments& arguments, Console& console);
int run_import(const Arguments& arguments, Console& console);
int run_experiment_run(const Arguments& arguments, Console& console);
int run_experiment_list(const Arguments& arguments, Console& console);
int run_experiment_status(const Arguments& arguments, Console& console);
int run_data_list(const Arguments& arguments, Console& console);
int run_data_info(const Arguments& arguments, Console& console);
int run_data_fetch(const Arguments& arguments, Console& console);
int run_data_check(const Arguments& arguments, Console& console);
int run_experiment_report(const Arguments& arguments, Console& console);
int run_version(const Arguments& arguments, Console& console);
int run_completion(const Arguments& arguments, Console& console);
int run_manual(const Arguments& arguments, Console& console);

/// All commands of the program, in the order of its help (main.cpp).
[[nodiscard]] std::vector<Command> declared_commands();

}  // namespace deepsad::cli
