import { type Document, LineCounter, parseDocument, type YAMLError } from 'yaml';
import { quoted } from '../../common/text.ts';
import type { Problem } from '../problem.ts';

/** Limit for the size of a config: a larger file is a mistake, and all of it is held in memory. */
export const LARGEST_FILE = 1024 * 1024;

/** A text with readable YAML. `problems` do not prevent reading the rest of the file. */
export interface Source {
  readonly document: Document.Parsed;
  readonly problems: readonly Problem[];
  /** The problem at an offset of the text. Does not refer to the document. */
  readonly at: (offset: number, message: string) => Problem;
}

/** Parses YAML. Stops at a syntax error, because everything after it would be guesswork. */
export function readSyntax(text: string, file: string): Source | { readonly problem: Problem } {
  const whole = (message: string) => ({ problem: { file, line: 1, column: 1, message } });
  if (text.length > LARGEST_FILE) return whole('is larger than 1 MiB: it is not a config of zero');
  // A byte order mark does not count as a column.
  const body = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const lines = new LineCounter();
  const at = (offset: number, message: string): Problem => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1), message };
  };
  const control = findControl(body);
  const document = parseDocument(control === -1 ? body : body.slice(0, control), {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'error',
  });
  if (control !== -1) return { problem: at(control, 'is not text: it has a control character here') };
  const fatal = document.errors.find(({ code }) => code !== 'DUPLICATE_KEY');
  if (fatal !== undefined) return { problem: at(fatal.pos[0], syntaxMessage(fatal)) };
  if (document.contents === null) return whole('is empty: it must describe a service');
  const problems = [
    ...document.errors.map(({ pos }) => at(pos[0], `duplicate key ${quoted(keyAt(body, pos[0]))}`)),
    ...document.warnings.map((warning) => at(warning.pos[0], syntaxMessage(warning))),
  ];
  return { document, problems, at };
}

// YAML 1.2.2, 5.1: no C0 control characters except tab and line breaks.
function findControl(text: string): number {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 32 && code !== 9 && code !== 10 && code !== 13) return index;
  }
  return -1;
}

function syntaxMessage({ code, message }: YAMLError): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'a tab indents this line: YAML needs spaces';
    case 'MULTIPLE_DOCS':
      return 'a second document begins here: a config is one document';
    case 'TAG_RESOLVE_FAILED':
      return `${message.charAt(0).toLowerCase()}${message.slice(1)}: a config has no tags`;
    default:
      return `YAML: ${message}`;
  }
}

function keyAt(text: string, offset: number): string {
  return (
    /^(?:"([^"]*)"|'([^']*)'|([^:\s,}]*))/
      .exec(text.slice(offset, offset + 100))
      ?.slice(1)
      .find(Boolean) ?? ''
  );
}
