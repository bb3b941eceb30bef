import { Argument, Command, CommanderError } from 'commander';
import type { Shell } from './completion.ts';
import type { InstanceOptions } from './find-instance.ts';
import type { InitOptions } from './init.ts';
import type { LogsOptions } from './logs.ts';
import type { ReloadOptions } from './reload.ts';
import type { RollbackOptions } from './rollback.ts';
import type { StatusOptions } from './status.ts';
import { version } from './version.ts';

/** Wrong arguments (SPEC section 2). */
const USAGE = 2;

interface ConfigOption {
  readonly config?: string;
}

interface RunOptions extends ConfigOption {
  readonly listen: string[];
  readonly name?: string;
  readonly workers?: string;
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
    .option('--workers <count>', 'that many processes of the command, or auto for one per core')
    .argument('[command...]', 'the service and its arguments, after --')
    .passThroughOptions()
    .action(async (command: string[], options: RunOptions) => {
      const { runCommandLine, runFile } = await import('./run.ts');
      const config = configOf(options);
      const { listen, name, workers } = options;
      if (command.length === 0 && listen.length === 0 && name === undefined && workers === undefined) {
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

  program
    .command('init')
    .description('write a commented config for a command, or print the systemd unit for it')
    .option('--config <file>', 'the config file to write (default: $ZERO_CONFIG, else ./zero.yaml)')
    .option('--listen <address>', 'the service listens on this address, or bare port', collect, [])
    .option('--name <name>', 'name of the instance (default: after the command)')
    .option('--systemd', 'print the unit; without a command for the config that is there', false)
    .argument('[command...]', 'the service and its arguments, after --')
    .passThroughOptions()
    .action(async (command: string[], options: Omit<InitOptions, 'command'>) => {
      const { init } = await import('./init.ts');
      const config = configOf(options);
      code = init({ ...options, ...(config === undefined ? {} : { config }), command });
    });

  /** A command for an instance that runs: it takes what names one. */
  const instanceCommand = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--config <file>', 'the config file of the instance (default: $ZERO_CONFIG)')
      .option('--name <name>', 'the name of the instance');
  const instanceOf = ({ config, name }: InstanceOptions): InstanceOptions => {
    const file = configOf(config === undefined ? {} : { config });
    return { ...(file === undefined ? {} : { config: file }), ...(name === undefined ? {} : { name }) };
  };

  instanceCommand('status', 'show the generations, workers and listeners, and the handover in progress')
    .option('--json', 'print the document of the control socket', false)
    .option(
      '--watch',
      'draw it again when something happens; with --json print a document for each change',
      false,
    )
    .action(async (options: StatusOptions) => {
      const { status } = await import('./status.ts');
      code = await status({ ...options, ...instanceOf(options) });
    });

  instanceCommand('reload', 'hand over to what the config says now, and wait for the verdict')
    .option('--preview', 'stop when the new version is ready, until promote or abort', false)
    .option('--replace', 'abort the handover in progress first', false)
    .option('--timeout <duration>', 'abort the handover when it takes longer, such as 90s')
    .option('--no-wait', 'do not wait for the verdict')
    .option('--json', 'print the verdict as a document', false)
    .action(async (options: ReloadOptions) => {
      const { reload } = await import('./reload.ts');
      code = await reload({ ...options, ...instanceOf(options) });
    });

  instanceCommand('rollback', 'hand over to an earlier release, and wait for the verdict')
    .option(
      '--to <generation>',
      'the generation whose release is meant (default: the one that served before)',
    )
    .option('--timeout <duration>', 'abort the handover when it takes longer, such as 90s')
    .option('--no-wait', 'do not wait for the verdict')
    .option('--json', 'print the verdict as a document', false)
    .action(async (options: RollbackOptions) => {
      const { rollback } = await import('./rollback.ts');
      code = await rollback({ ...options, ...instanceOf(options) });
    });

  instanceCommand('history', 'show the generations that there were, and which can be gone back to')
    .option('--json', 'print the document of the control socket', false)
    .action(async (options: InstanceOptions & { readonly json: boolean }) => {
      const { history } = await import('./history.ts');
      code = await history({ ...instanceOf(options), json: options.json });
    });

  instanceCommand('promote', 'go on from the preview, the canary or the soak').action(
    async (options: InstanceOptions) => {
      const { promote } = await import('./promote.ts');
      code = await promote(instanceOf(options));
    },
  );

  instanceCommand('abort', 'end the handover in progress: the version that served goes on').action(
    async (options: InstanceOptions) => {
      const { abort } = await import('./abort.ts');
      code = await abort(instanceOf(options));
    },
  );

  instanceCommand('logs', 'show what the service wrote, of all generations that are kept')
    .option('-f, --follow', 'go on with what it writes from now on', false)
    .option('-n, --lines <count>', 'only the last lines')
    .option('--generation <number>', 'only what this generation wrote')
    .action(async (options: LogsOptions) => {
      const { logs } = await import('./logs.ts');
      code = await logs({ ...options, ...instanceOf(options) });
    });

  instanceCommand('signal', 'send a signal to the workers of the generation that serves')
    .argument('<signal>', 'a name, such as SIGUSR1 or usr1, or a number')
    .action(async (signal: string, options: InstanceOptions) => {
      const { signal: send } = await import('./signal.ts');
      code = await send({ ...instanceOf(options), signal });
    });

  instanceCommand('stop', 'stop the service and zero, and wait for that')
    .option('--now', 'kill it', false)
    .action(async (options: InstanceOptions & { readonly now: boolean }) => {
      const { stop } = await import('./stop.ts');
      code = await stop({ ...instanceOf(options), now: options.now });
    });

  program
    .command('completion')
    .description('print what completes this command line in bash, zsh or fish')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: Shell) => {
      const { completion } = await import('./completion.ts');
      code = completion(shell, program);
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
