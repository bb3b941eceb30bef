import assert from 'node:assert/strict';
import { type Config, formatProblem, parseConfig } from '../../../src/config/index.ts';

/** The config in a text. Fails with its problems. */
export function configOf(text: string): Config {
  const result = parseConfig(text, 'zero.yaml');
  if ('problems' in result) assert.fail(result.problems.map(formatProblem).join('\n'));
  return result.config;
}

/** Every problem of a text, as `line:column: message`. */
export function problemsOf(text: string): string[] {
  const result = parseConfig(text, 'f');
  return 'problems' in result
    ? result.problems.map((problem) => formatProblem(problem).replace(/^f:/, ''))
    : [];
}

/** A service with the given lines under `service`, each indented as there. The first of them is line 3. */
export function service(...lines: string[]): string {
  return `service:\n  runtime: { path: /bin/app }\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

/** A service with these keys in its runtime, in flow style on line 1. The first key is at column 45. */
export function runtime(keys: string): string {
  return `service: { runtime: { path: /opt/app/bin/app, ${keys} } }`;
}
