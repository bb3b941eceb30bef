import { type CommandError, EXIT } from './exit-code.ts';

/** The document that `--json` prints when a command fails and has no document of its own. */
export interface ErrorDocument {
  readonly version: 1;
  readonly error: {
    /** Stable word: see docs/reference/commands.md. */
    readonly code: string;
    readonly message: string;
    /** The handover that the command waited for. */
    readonly handover?: number;
  };
  readonly exit_code: number;
}

const CODES: ReadonlyMap<number, string> = new Map([
  [EXIT.usage, 'usage'],
  [EXIT.noInstance, 'no_instance'],
]);

/** The document of an error as one line. */
export function errorDocumentText(error: ErrorDocument['error'], exitCode: number): string {
  const document: ErrorDocument = { version: 1, error, exit_code: exitCode };
  return `${JSON.stringify(document)}\n`;
}

/** The error of a command that did not reach a supervisor. */
export function commandErrorOf({ message, exitCode, code }: CommandError): ErrorDocument['error'] {
  return { code: code ?? CODES.get(exitCode) ?? 'failed', message };
}

/** Whether a command line asks for a JSON document. Arguments after `--` belong to another program. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}
