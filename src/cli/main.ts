import { parseArguments } from './arguments.ts';
import { errorText, wantsJson } from './error-document.ts';

/** Anything that nobody has foreseen. */
const FAILED = 1;

const argv = process.argv.slice(2);

parseArguments(argv).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    if (wantsJson(argv)) process.stdout.write(errorText({ code: 'internal', message }, FAILED));
    console.error(`zero: ${error instanceof Error ? (error.stack ?? message) : message}`);
    process.exitCode = FAILED;
  },
);
