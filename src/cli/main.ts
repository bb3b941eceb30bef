/** Anything that nobody has foreseen. */
const FAILED = 1;

/**
 * Starts a supervisor for `zero` and `zero run`, with or without `--config FILE`. The argument parser is not loaded,
 * because the time to the service's first instruction is limited: commander adds 0.15 x `node -e 0`, see
 * docs/decisions/0001. null for other arguments.
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
