import { escapeControls } from '../common/text.ts';

/** One problem in a config, with its position. */
export type Problem = {
  /** The file as the user specified it, or the argument. */
  readonly file: string;
  /** From 1; 0 if the problem concerns the whole file or an argument. */
  readonly line: number;
  /** From 1, in UTF-16 units; 0 together with the line. */
  readonly column: number;
  readonly message: string;
};

/**
 * `file:line:column: message`, which editors and terminals understand. A config may come from another user: it must not
 * control the terminal that shows its problems.
 */
export function formatProblem({ file, line, column, message }: Problem): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return escapeControls(`${place}: ${message}`);
}
