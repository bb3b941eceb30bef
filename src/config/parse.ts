import * as z from 'zod/mini';
import { findingsOf } from './findings.ts';
import { type Finding, findingMessage, type Path } from './path.ts';
import type { Problem } from './problem.ts';
import { readSyntax } from './read/syntax.ts';
import { readTree } from './read/tree.ts';
import { checkRules } from './rules/index.ts';
import { type Config, completeConfig, fileSchema } from './schema.ts';
import { validParts } from './valid-parts.ts';

/** A config with the positions of its parts in the file. */
export interface LocatedConfig {
  readonly config: Config;
  /** The problem for a finding, with its position. */
  locate(finding: Finding): Problem;
}

/**
 * Parses the text of a config file. Returns the config or all problems in the order of the file. Pure.
 * @param file the file's name, for the problems
 */
export function parseConfig(text: string, file: string): LocatedConfig | { problems: Problem[] } {
  const source = readSyntax(text, file);
  if ('problem' in source) return { problems: [source.problem] };
  const tree = readTree(source.document, fileSchema);
  // `locate` lives as long as the config. It must not keep the parsed document in memory.
  const { at } = source;
  const { positions } = tree;
  const checked = checkTree(tree.value, (path) => positions.has(path));
  const findings = [...tree.findings, ...('findings' in checked ? checked.findings : [])];
  const locate = (finding: Finding) => at(positions.offset(finding), findingMessage(finding));
  const problems = [...source.problems, ...findings.map(locate)];
  if ('config' in checked && problems.length === 0) return { ...checked, locate };
  return { problems: problems.sort((one, other) => one.line - other.line || one.column - other.column) };
}

/** Checks plain values in the form of the file. Returns the config or all findings. */
export function checkTree(
  value: unknown,
  given: (path: Path) => boolean,
): { config: Config } | { findings: Finding[] } {
  const parsed = z.safeParse(fileSchema, value);
  if (parsed.success) {
    const findings = checkRules(parsed.data, given);
    return findings.length === 0 ? { config: completeConfig(parsed.data) } : { findings };
  }
  const findings = parsed.error.issues.flatMap((issue) => findingsOf(issue, fileSchema, value));
  return { findings: [...findings, ...checkRules(validParts(fileSchema, value), given)] };
}
