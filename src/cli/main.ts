/** Anything that nobody has foreseen. */
const FAILED = 1;

async function start(argv: readonly string[]): Promise<number> {
  const { parseArguments } = await import('./arguments.ts');
  return parseArguments(argv);
}

start(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(`zero: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    process.exitCode = FAILED;
  },
);
