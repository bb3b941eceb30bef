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

/** `file:line:column: message`, which editors and terminals understand. */
export function formatProblem({ file, line, column, message }: Problem): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return `${printable(place)}: ${printable(message)}`;
}

// A config may come from another user: it must not control the terminal that shows its problems.
function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
