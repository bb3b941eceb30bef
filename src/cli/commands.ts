import type { Command } from 'commander';
import type { AdoptOptions } from './adopt.ts';
import type { Shell } from './completion.ts';
import type { DashboardOptions } from './dashboard.ts';
import type { InstanceOptions } from './find-instance.ts';
import type { InitOptions } from './init.ts';
import type { ListOptions } from './list.ts';
import type { LogsOptions } from './logs.ts';
import type { ReloadOptions } from './reload.ts';
import type { RollbackOptions } from './rollback.ts';
import type { ScaleOptions } from './scale.ts';
import type { StatusOptions } from './status.ts';
import type { UpgradeOptions } from './upgrade.ts';
import type { WaitOptions } from './wait.ts';

export interface ConfigOption {
  readonly config?: string;
}

interface Surroundings {
  /** The config file of a command: its own option, otherwise the option of the program. */
  readonly configOf: (options: ConfigOption) => string | undefined;
  readonly collect: (value: string, all: string[]) => string[];
  /** Called with the exit code of the command. */
  readonly done: (code: number) => void;
}

const DASHBOARD_ADDRESS = '127.0.0.1:9640';

/** Adds all commands except `run`, which arguments.ts defines. */
export function addCommands(program: Command, { configOf, collect, done }: Surroundings): void {
  program
    .command('check')
    .description('read the config and print every problem')
    .option('--config <file>', 'the config file')
    .option('--print', 'print the config with all defaults, and with secrets masked', false)
    .action(async (options: ConfigOption & { readonly print: boolean }) => {
      const { check } = await import('./check.ts');
      done(check(configOf(options), options.print));
    });

  program
    .command('schema')
    .description("print the config's JSON Schema, for editors")
    .action(async () => {
      const { schema } = await import('./schema.ts');
      done(schema());
    });

  program
    .command('init')
    .description('write a commented config for a command, or print the systemd unit for it')
    .option('--config <file>', 'the config file to write (default: $ZERO_CONFIG, else ./zero.yaml)')
    .option(
      '--listen <address>',
      'address or port on which the service listens; may be given several times',
      collect,
      [],
    )
    .option('--name <name>', 'name of the instance (default: from the command)')
    .option('--systemd', 'print the systemd unit; without a command, the unit for the existing config', false)
    .argument('[command...]', 'the service and its arguments, after --')
    .passThroughOptions()
    .action(async (command: string[], options: Omit<InitOptions, 'command'>) => {
      const { init } = await import('./init.ts');
      const config = configOf(options);
      done(init({ ...options, ...(config === undefined ? {} : { config }), command }));
    });

  program
    .command('adopt')
    .description('take over a service that is already running, without restarting it')
    .requiredOption('--pid <pid>', 'the main process of the running service')
    .option('--config <file>', 'the config file (default: $ZERO_CONFIG, else ./zero.yaml)')
    .option(
      '--name <name>',
      'name of the instance; needs a command (default: from the script or the directory)',
    )
    .argument(
      '[command...]',
      'instead of a config file: the command of the next version and its arguments, after --',
    )
    .passThroughOptions()
    .action(async (command: string[], options: Omit<AdoptOptions, 'command'>) => {
      const { adopt } = await import('./adopt.ts');
      const config = configOf(options);
      done(await adopt({ ...options, ...(config !== undefined && { config }), command }));
    });

  /** Adds a command that acts on a running instance, with the options that choose the instance. */
  const instanceCommand = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--config <file>', 'the config file of the instance (default: $ZERO_CONFIG, else ./zero.yaml)')
      .option('--name <name>', 'the name of the instance');
  const instanceOf = ({ config, name }: InstanceOptions): InstanceOptions => {
    const file = configOf(config === undefined ? {} : { config });
    return { ...(file === undefined ? {} : { config: file }), ...(name === undefined ? {} : { name }) };
  };

  instanceCommand('status', 'show the generations, workers and listeners, and the handover in progress')
    .option('--json', 'print the document of the control socket', false)
    .option('--watch', 'keep updating; with --json print a document for each change', false)
    .action(async (options: StatusOptions) => {
      const { status } = await import('./status.ts');
      done(await status({ ...options, ...instanceOf(options) }));
    });

  program
    .command('list')
    .description('list every instance on this machine that this user may see; root sees all')
    .option('--json', 'print one document', false)
    .option('--watch', 'keep updating; with --json print a document for each change', false)
    .action(async (options: ListOptions) => {
      const { list } = await import('./list.ts');
      done(await list(options));
    });

  program
    .command('dashboard')
    .description('serve a web page with every instance that this user may control, until Ctrl-C')
    .option('--listen <address>', `address of the page (default: ${DASHBOARD_ADDRESS})`, DASHBOARD_ADDRESS)
    .action(async (options: DashboardOptions) => {
      const { dashboard } = await import('./dashboard.ts');
      done(await dashboard(options));
    });

  instanceCommand('reload', 'deploy the version on the disk, and wait for the result')
    .option('--preview', 'stop when the new version is ready, and wait for promote or abort', false)
    .option('--replace', 'abort the handover in progress first', false)
    .option('--timeout <duration>', 'abort the handover if it takes longer, such as 90s')
    .option('--label <label>', 'name the release, such as v1.2.3, in status, history, results and metrics')
    .option('--no-wait', 'do not wait for the result')
    .option('--json', 'print the result as a document', false)
    .action(async (options: ReloadOptions) => {
      const { reload } = await import('./reload.ts');
      done(await reload({ ...options, ...instanceOf(options) }));
    });

  instanceCommand('rollback', 'hand over to an earlier release, and wait for the result')
    .option(
      '--to <generation>',
      'roll back to the release of this generation (default: the one that served before)',
    )
    .option('--timeout <duration>', 'abort the handover if it takes longer, such as 90s')
    .option('--no-wait', 'do not wait for the result')
    .option('--json', 'print the result as a document', false)
    .action(async (options: RollbackOptions) => {
      const { rollback } = await import('./rollback.ts');
      done(await rollback({ ...options, ...instanceOf(options) }));
    });

  instanceCommand('scale', 'change the number of workers, and wait for the result')
    .argument('<workers>', 'number of workers; the next reload applies the number in the config again')
    .option('--timeout <duration>', 'stop waiting after this time, such as 90s')
    .option('--json', 'print the result as a document', false)
    .action(async (workers: string, options: Omit<ScaleOptions, 'workers'>) => {
      const { scale } = await import('./scale.ts');
      done(await scale({ ...options, ...instanceOf(options), workers }));
    });

  instanceCommand('wait', 'wait for the result of a handover, and exit with its exit code')
    .argument('[handover]', 'number of the handover (default: the one in progress, otherwise the last one)')
    .option('--timeout <duration>', 'stop waiting after this time, such as 90s; the handover continues')
    .option('--json', 'print the result as a document', false)
    .action(async (handover: string | undefined, options: Omit<WaitOptions, 'handover'>) => {
      const { wait } = await import('./wait.ts');
      const which = handover === undefined ? {} : { handover };
      done(await wait({ ...options, ...instanceOf(options), ...which }));
    });

  instanceCommand('history', 'show the generations, and which releases a rollback can use')
    .option('--json', 'print the document of the control socket', false)
    .action(async (options: InstanceOptions & { readonly json: boolean }) => {
      const { history } = await import('./history.ts');
      done(await history({ ...instanceOf(options), json: options.json }));
    });

  instanceCommand('promote', 'proceed with the new version: end its preview, canary or soak').action(
    async (options: InstanceOptions) => {
      const { promote } = await import('./promote.ts');
      done(await promote(instanceOf(options)));
    },
  );

  instanceCommand(
    'abort',
    'end the handover in progress, or return to the old version until it is asked to stop',
  ).action(async (options: InstanceOptions) => {
    const { abort } = await import('./promote.ts');
    done(await abort(instanceOf(options)));
  });

  instanceCommand('logs', 'show the output of the service')
    .option('-f, --follow', 'keep showing new output', false)
    .option('-n, --lines <count>', 'only this many last lines')
    .option('--since <time>', 'only from this time on: 5m, 17:00, 2026-11-26T17:00:00Z')
    .option('--generation <number>', 'only the output of this generation')
    .option('--worker <number>', 'only the output of this worker')
    .option('--raw', 'print the bytes without time and worker', false)
    .option('--json', 'print one document; with --follow one document a line', false)
    .action(async (options: LogsOptions) => {
      const { logs } = await import('./logs.ts');
      done(await logs({ ...options, ...instanceOf(options) }));
    });

  instanceCommand('signal', 'send a signal to the workers of the serving generation')
    .argument('<signal>', 'a name, such as SIGUSR1 or usr1, or a number')
    .action(async (signal: string, options: InstanceOptions) => {
      const { signal: send } = await import('./signal.ts');
      done(await send({ ...instanceOf(options), signal }));
    });

  instanceCommand('upgrade', 'replace a running zero by the installed one; the service keeps running')
    .argument('[path]', 'path of the new zero (default: the path with which the running one was started)')
    .option('--timeout <duration>', 'how long to wait for a handover or a hook in progress (default: 60s)')
    .option('--all', 'upgrade every instance that was started with the path of this zero', false)
    .addOption(program.createOption('--check', 'used by a running zero').hideHelp())
    .action(
      async (
        path: string | undefined,
        { check, ...options }: Omit<UpgradeOptions, 'path'> & { readonly check?: boolean },
      ) => {
        if (check) {
          const { upgradeCheck } = await import('./upgrade-check.ts');
          done(upgradeCheck());
          return;
        }
        const { upgrade, upgradeAll } = await import('./upgrade.ts');
        if (options.all) done(await upgradeAll({ ...options, ...(path !== undefined && { path }) }));
        else done(await upgrade({ ...options, ...instanceOf(options), ...(path !== undefined && { path }) }));
      },
    );

  instanceCommand('stop', 'stop the service and zero')
    .option('--now', 'kill immediately instead of stopping gracefully', false)
    .action(async (options: InstanceOptions & { readonly now: boolean }) => {
      const { stop } = await import('./stop.ts');
      done(await stop({ ...instanceOf(options), now: options.now }));
    });

  program
    .command('completion')
    .description('print a completion script for bash, zsh or fish')
    .addArgument(program.createArgument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: Shell) => {
      const { completion } = await import('./completion.ts');
      done(completion(shell, program));
    });
}
