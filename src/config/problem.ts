/** One thing that is wrong with a config, and where. */
export type Problem = {
  /** The file as it was named, or the argument. */
  readonly file: string;
  /** From 1; 0 where the problem is with the file as a whole or in an argument. */
  readonly line: number;
  /** From 1, in UTF-16 units; 0 like the line. */
  readonly column: number;
  readonly message: string;
};

/** `file:line:column: message`, which editors and terminals understand. */
export function formatProblem({ file, line, column, message }: Problem): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return `${printable(place)}: ${printable(message)}`;
}

// A config is somebody else's text: it must not steer the terminal that shows its problems.
function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
