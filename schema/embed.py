#!/usr/bin/env python3
"""Writes the SQL files of this folder into one C++ file: embed.py OUTPUT FILE...

Numbered files (0001_name.sql) become the migrations, in order and without a gap; triggers.sql and views.sql stand alone.
Fails the build when a number is missing or doubled, or when a file holds the raw string's delimiter.
"""
import os
import re
import sys

DELIMITER = "arcus_sql"
# A compiler need not take a string literal of more than 64 KiB, so long texts are joined from pieces.
PIECE = 16000


def literal(text, path):
    if f"){DELIMITER}\"" in text:
        sys.exit(f"{path}: holds the delimiter {DELIMITER}")
    pieces = [text[i:i + PIECE] for i in range(0, len(text), PIECE)] or [""]
    return "\n".join(f'R"{DELIMITER}({piece}){DELIMITER}"' for piece in pieces)


def main():
    output, paths = sys.argv[1], sys.argv[2:]
    steps, alone = [], {}
    for path in paths:
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        numbered = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", name)
        if numbered:
            steps.append((int(numbered.group(1)), numbered.group(2), literal(text, path)))
        else:
            alone[name] = literal(text, path)
    for want, (version, name, _) in enumerate(steps, start=1):
        if version != want:
            sys.exit(f"{version:04}_{name}.sql: expected number {want:04} here")
    rows = "\n".join(f'    {{{version}, "{name}",\n{text}}},' for version, name, text in steps)
    with open(output, "w", encoding="utf-8") as file:
        file.write(f"""// Made by schema/embed.py from the files in schema/.
#include "lib/db/migrate.h"

namespace arcus {{

static constexpr Migration steps[] = {{
{rows}
}};

std::span<const Migration> embedded_migrations() noexcept {{ return steps; }}

std::string_view embedded_triggers() noexcept {{
  return {alone["triggers.sql"]};
}}

std::string_view embedded_views() noexcept {{
  return {alone["views.sql"]};
}}

}}  // namespace arcus
""")


main()
