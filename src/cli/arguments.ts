import { Command, CommanderError } from 'commander';
import { version } from './version.ts';

/** Wrong arguments (SPEC section 2). */
const USAGE = 2;

interface ConfigOption {
  readonly config?: string;
}

interface RunOptions extends ConfigOption {
  readonly listen: string[];
  readonly name?: string;
}

const collect = (value: string, all: string[]): string[] => [...all, value];

/** The command line: each command's body is loaded when it is asked for. Resolves to the exit code. */
export async function parseArguments(argv: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command('zero')
    .description('Deploy a new version of a network service without anyone noticing.')
    .version(version, '--version')
    .exitOverride()
    .enablePositionalOptions()
    .option('--config <file>', 'the config file (default: $ZERO_CONFIG, else ./zero.yaml)')
    .action(async ({ config }: ConfigOption) => {
      const { runFile } = await import('./run.ts');
      code = await runFile(config);
    });
  const configOf = (options: ConfigOption): string | undefined =>
    options.config ?? program.opts<ConfigOption>().config;

  program
    .command('run')
    .description('run the supervisor; with a command, without a config file')
    .option('--config <file>', 'the config file')
    .option('--listen <address>', 'listen on this address, or bare port, for the command', collect, [])
    .option('--name <name>', 'name of the instance (default: the name of the command)')
    .argument('[command...]', 'the service and its arguments, after --')
    .passThroughOptions()
    .action(async (command: string[], options: RunOptions) => {
      const { runCommandLine, runFile } = await import('./run.ts');
      const config = configOf(options);
      if (command.length === 0 && options.listen.length === 0 && options.name === undefined) {
        code = await runFile(config);
      } else if (config !== undefined) {
        console.error(
          'zero run: --config does not go with a command of its own: put the listeners into the file',
        );
        code = USAGE;
      } else {
        code = await runCommandLine({ ...options, command });
      }
    });

  program
    .command('check')
    .description('read the config and print every problem')
    .option('--config <file>', 'the config file')
    .option('--print', 'show the config with every default filled in, secrets masked', false)
    .action(async (options: ConfigOption & { readonly print: boolean }) => {
      const { check } = await import('./check.ts');
      code = check(configOf(options), options.print);
    });

  program
    .command('schema')
    .description("print the config's JSON Schema, for editors")
    .action(async () => {
      const { schema } = await import('./schema.ts');
      code = schema();
    });

  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    // Commander has already written its message; help and version end through here as well.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    throw error;
  }
  return code;
}
