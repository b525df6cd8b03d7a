#!/usr/bin/env python3
"""Writes the completion scripts into one C++ file: embed.py OUTPUT SCRIPT..."""
import pathlib
import sys

names = {'arcusctl.bash': 'bash_completion', '_arcusctl': 'zsh_completion', 'arcusctl.fish': 'fish_completion'}
lines = ['#include "cli/completion/scripts.h"', '', 'namespace arcus::cli {', '']
for script in map(pathlib.Path, sys.argv[2:]):
    text = script.read_text()
    if ')script"' in text:
        sys.exit(f'{script}: holds the delimiter')
    lines += [f'const std::string_view {names[script.name]} = R"script({text})script";', '']
lines += ['}  // namespace arcus::cli', '']
pathlib.Path(sys.argv[1]).write_text('\n'.join(lines))
