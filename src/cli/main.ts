/** Anything that nobody has foreseen. */
const FAILED = 1;

/**
 * The plain start, `zero`, `zero run` and the same with `--config FILE`, does without the argument parser: loading it would be a tenth of
 * the time until the service runs.
 */
async function plainStart(argv: readonly string[]): Promise<number | null> {
  const [first, ...rest] = argv;
  const args = first === 'run' ? rest : argv;
  const [option, file, ...more] = args;
  const plain = args.length === 0 || (option === '--config' && file !== undefined && more.length === 0);
  if (!plain) return null;
  const { runFile } = await import('./run.ts');
  return runFile(file);
}

async function start(argv: readonly string[]): Promise<number> {
  const code = await plainStart(argv);
  if (code !== null) return code;
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
