#include "cli/core/app.h"

int main(int argc, char** argv) { return arcus::cli::run({argv + (argc > 0 ? 1 : 0), argv + argc}); }
