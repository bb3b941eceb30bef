import { errorText } from '../common/errors.ts';
import { parseArguments } from './arguments.ts';
import { errorDocumentText, wantsJson } from './error-document.ts';

/** The exit code for an unexpected error. */
const FAILED = 1;

const argv = process.argv.slice(2);

parseArguments(argv).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const message = errorText(error);
    if (wantsJson(argv)) process.stdout.write(errorDocumentText({ code: 'internal', message }, FAILED));
    console.error(`zero: ${error instanceof Error ? (error.stack ?? message) : message}`);
    process.exitCode = FAILED;
  },
);
