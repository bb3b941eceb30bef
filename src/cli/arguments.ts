import { Command, CommanderError } from 'commander';
import { quoted, shellWord } from '../common/text.ts';
import { nearMiss } from '../config/near-miss.ts';
import type { ConfigOption } from './commands.ts';
import { errorDocumentText, wantsJson } from './error-document.ts';
import { version } from './version.ts';

/** The exit code for wrong arguments (docs/reference/commands.md). */
const USAGE = 2;

interface RunOptions extends ConfigOption {
  readonly listen: string[];
  readonly name?: string;
  readonly workers?: string;
}

const collect = (value: string, all: string[]): string[] => [...all, value];

/**
 * Whether a command line starts a supervisor. Then the other commands are not defined, because the time to the
 * service's first instruction is limited.
 */
function startsSupervisor([first, , ...more]: readonly string[]): boolean {
  return first === undefined || first === 'run' || (first === '--config' && more.length === 0);
}

/**
 * The error for an unknown command; null if the command is known. Checked first, because Commander would report an
 * unknown option or the number of arguments instead.
 */
function unknownCommand(program: Command, argv: readonly string[]): string | null {
  const [first] = program.parseOptions([...argv]).operands;
  const names = [...program.commands.map((command) => command.name()), 'help'];
  if (first === undefined || names.includes(first)) return null;
  const meant = nearMiss(first, names);
  const hint = meant === undefined ? '"zero --help" lists the commands.' : `Did you mean ${quoted(meant)}?`;
  return `unknown command ${quoted(first)}. ${hint}`;
}

/** The error for wrong arguments, from Commander's own text, and with the name of the command. */
function refusalText(
  program: Command,
  argv: readonly string[],
  text: string,
): { name: string; message: string } {
  const [first] = program.parseOptions([...argv]).operands;
  const command = program.commands.find((one) => one.name() === first);
  const name = command === undefined ? 'zero' : `zero ${command.name()}`;
  const message = text.trim().replace(/^error: /, '');
  const extra = command?.args[command.registeredArguments.length];
  if (command === undefined || extra === undefined || !message.startsWith('too many arguments'))
    return { name, message };
  const hasName = command.options.some(({ long }) => long === '--name');
  const hint = hasName ? `. To specify an instance, write --name ${shellWord(extra)}` : '';
  return { name, message: `unexpected argument ${quoted(extra)}${hint}` };
}

function writeUsageError(message: string): void {
  process.stdout.write(errorDocumentText({ code: 'usage', message: message.trim() }, USAGE));
}

/** Parses the command line and runs its command. Loads the code of a command on demand. Resolves to the exit code. */
export async function parseArguments(argv: readonly string[]): Promise<number> {
  let code = 0;
  const json = wantsJson(argv);
  const refusals: string[] = [];
  const program = new Command('zero')
    .description('Deploy a new version of a network service without anyone noticing.')
    .version(version, '--version')
    .exitOverride()
    // The descriptions contain the defaults that matter to a user.
    .configureHelp({ optionDescription: ({ description }) => description })
    .configureOutput({
      writeErr: (text) => {
        refusals.push(text);
        process.stderr.write(text);
      },
      outputError: (text) => {
        const { name, message } = refusalText(program, argv, text);
        refusals.push(message);
        console.error(`${name}: ${message}`);
      },
    })
    .enablePositionalOptions()
    // An empty variable in a script would otherwise select the only running instance.
    .hook('preAction', (_, command) => {
      const given = [program, command].map((part) => part.opts<ConfigOption>().config);
      if (given.includes('')) command.error('error: --config is empty: pass the path of a file');
    })
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
    .option('--listen <address>', 'address or port for the command; may be given several times', collect, [])
    .option(
      '--name <name>',
      'name of the instance (default: from the script or the directory, with 8 digits)',
    )
    .option('--workers <count>', 'number of processes, or auto for one per core')
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
          'zero run: --config cannot be combined with a command. Write the command and the listeners into the file',
        );
        code = USAGE;
      } else {
        code = await runCommandLine({ ...options, command });
      }
    });

  if (!startsSupervisor(argv)) {
    const { addCommands } = await import('./commands.ts');
    program.helpCommand('help [command]', 'show the help of a command');
    addCommands(program, { configOf, collect, done: (result) => (code = result) });
  }

  try {
    const unknown = unknownCommand(program, argv);
    if (unknown !== null) {
      console.error(`zero: ${unknown}`);
      if (json) writeUsageError(unknown);
      return USAGE;
    }
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has already written its message. Help and version end here as well.
    if (error.exitCode === 0) return 0;
    if (json) writeUsageError(refusals.join(''));
    return USAGE;
  }
  return code;
}
