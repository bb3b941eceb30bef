import { shellWord } from '../../common/text.ts';
import type { RuntimeConfig } from '../../config/schema.ts';
import type { Tools } from './commands.ts';
import { type Environment, toEntries, toEntry } from './environment.ts';
import type { LaunchOrder } from './launch-order.ts';
import type { TargetUser } from './target-user.ts';

/** The privileges of a process beyond its user, and those that it can gain. */
export type Privileges = Pick<RuntimeConfig, 'no_new_privs' | 'capabilities'>;

export interface LaunchRequest {
  /** Absolute. */
  readonly executable: string;
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly user: Pick<TargetUser, 'uid' | 'gid' | 'groups' | 'switches'> | null;
  /** Default: the privileges of the user. */
  readonly privileges?: Privileges;
  readonly limits: RuntimeConfig['limits'];
  /** Permission bits; undefined keeps the supervisor's umask. */
  readonly umask: number | undefined;
  /** Give the service LISTEN_PID. */
  readonly listenPid: boolean;
  /** Give the service WATCHDOG_PID. */
  readonly watchdogPid?: boolean;
}

/** The arguments of posix_spawn(3). */
export interface Launch {
  readonly path: string;
  readonly argv: readonly string[];
  readonly environment: readonly Buffer[];
  /**
   * The order that zero's own launcher reads from a descriptor, whose number becomes its last argument. Null if that
   * launcher is not needed.
   */
  readonly order: LaunchOrder | null;
}

/**
 * The programs that execute one another before the service, all in the same process, so that the pid stays the same.
 * They pass the service's argv and environment on unchanged. No value of a variable is ever an argument, because every
 * user could read it in /proc/PID/cmdline.
 *
 * - `[prlimit] [setpriv] [sh -c 'umask; exec [env]'] service`, each only if needed. LISTEN_PID and WATCHDOG_PID must be
 *   the pid of the final process (sd_listen_fds(3), sd_watchdog_enabled(3)), which is unknown before the process
 *   exists: a shell can expand `$$`.
 * - If there is no shell, or the variables or the path would not pass through it unchanged: zero's own launcher,
 *   node-launcher.ts. It does all of it in one process and takes 50 ms instead of one.
 */
export function launchChain(request: LaunchRequest, tools: Tools): Launch {
  const { executable, args, environment } = request;
  const prefix = [...limitArguments(request.limits, tools), ...userArguments(request, tools)];
  const names = [...environment.keys()];
  const loaderNames = names.filter((name) => LOADER.test(name));
  const command = [executable, ...args];
  if (
    !(request.listenPid || request.watchdogPid) &&
    request.umask === undefined &&
    (prefix.length === 0 || loaderNames.length === 0)
  )
    return chain([...prefix, ...command], toEntries(environment));
  const shell = tools.findShell();
  if (shell === null) return ownLauncher(request, tools);
  if (tools.isDash(shell)) {
    if (names.some((name) => isLostInDash(name))) return ownLauncher(request, tools);
    const carried = [...loaderNames, ...names.filter((name) => CHANGED_BY_DASH.test(name))];
    return chain(
      [...prefix, shell, '-c', dashScript(request, carried), 'sh', ...command],
      carriedEntries(environment, carried),
    );
  }
  if (names.some((name) => isChangedByShells(name)) || executable.includes('='))
    return ownLauncher(request, tools);
  return chain([...prefix, shell, '-c', envScript(request, tools), 'sh', ...command], toEntries(environment));
}

function chain(argv: readonly string[], environment: readonly Buffer[]): Launch {
  return { path: argv[0] ?? '', argv, environment, order: null };
}

/**
 * Runs without the service's environment: variables of the service, such as NODE_OPTIONS, must not affect the launcher.
 */
function ownLauncher(request: LaunchRequest, tools: Tools): Launch {
  const { executable, args, environment, user, privileges, limits, umask } = request;
  const argv = tools.ownLauncher();
  const order: LaunchOrder = {
    executable,
    argv: [executable, ...args],
    environment: toEntries(environment),
    listenPid: wantsListenPid(request),
    ...(wantsWatchdogPid(request) && { watchdogPid: true }),
    user: user?.switches ? { uid: user.uid, gid: user.gid, groups: user.groups } : null,
    ...(privileges?.no_new_privs && { noNewPrivileges: true }),
    ...(privileges?.capabilities.length && {
      capabilities: privileges.capabilities.map(({ number }) => number),
    }),
    limits,
    umask,
  };
  return { ...chain(argv, []), order };
}

function limitArguments(limits: RuntimeConfig['limits'], tools: Tools): string[] {
  const options = Object.entries(limits).flatMap(([name, limit]) =>
    limit === undefined ? [] : [`--${name}=${limit.soft}:${limit.hard}`],
  );
  return options.length === 0 ? [] : [tools.find('prlimit'), ...options, '--'];
}

/** setpriv(1) changes the user before the capabilities, which it keeps until then (PR_SET_KEEPCAPS). */
function userArguments({ user, privileges }: LaunchRequest, tools: Tools): string[] {
  const groups = user?.groups.length ? `--groups=${user.groups.join(',')}` : '--clear-groups';
  const capabilities = (privileges?.capabilities ?? []).map(({ name }) => `+${name.slice(4).toLowerCase()}`);
  const only = ['-all', ...capabilities].join(',');
  const options = [
    ...(user?.switches ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, groups] : []),
    ...(privileges?.no_new_privs ? ['--no-new-privs'] : []),
    // The ambient set is a subset of the inheritable one (capabilities(7)).
    ...(capabilities.length > 0 ? [`--inh-caps=${only}`, `--ambient-caps=${only}`] : []),
  ];
  return options.length === 0 ? [] : [tools.find('setpriv'), ...options, '--'];
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

// Variables of the dynamic linker and the C library (unsecure_envvars of glibc, ld.so(8)): not for prlimit and setpriv,
// which run as root.
const LOADER = /^(?:LD_\w+|GCONV_PATH|GETCONF_DIR|GLIBC_TUNABLES|LOCPATH|NLSPATH|MALLOC_\w+)$/;

// dash sets these itself, but accepts any value for them from its script (dash(1); found by passing every name through
// it).
const CHANGED_BY_DASH = /^(?:PWD|OLDPWD|IFS|PPID)$/;

// A shell does not pass on a name that is not an identifier. dash requires a number in OPTIND. The last condition
// covers the names of carriedEntries.
function isLostInDash(name: string): boolean {
  return !IDENTIFIER.test(name) || name === 'OPTIND' || name.startsWith(CARRIER);
}

// Variables that bash and busybox set themselves, do not pass on, or act upon: bash(1) "Shell Variables"; found by
// passing every name through both.
const SHELL_VARIABLES = new RegExp(
  `^(?:${[
    '_|PWD|OLDPWD|SHLVL|IFS|OPT(?:IND|ARG|ERR)|PPID|LINENO|PS[0-4]|ENV|MAIL(?:PATH|CHECK)?|E?UID|GROUPS|CDPATH|TMOUT',
    'RANDOM|SRANDOM|SECONDS|EPOCH\\w+|HIST\\w+|COMP_\\w+|COMPREPLY|COPROC|DIRSTACK|FUNC(?:NAME|NEST)|GLOBIGNORE|EXECIGNORE',
    'PIPESTATUS|REPLY|SHELLOPTS|BASH\\w*|POSIXLY_CORRECT|KSH_VERSION|LINES|COLUMNS|LC_\\w+|LANGUAGE',
  ].join('|')})$`,
);

function isChangedByShells(name: string): boolean {
  return !IDENTIFIER.test(name) || SHELL_VARIABLES.test(name) || LOADER.test(name);
}

const CARRIER = 'ZERO_CARRIED_';

/** Variables that pass through dash under another name. */
function carriedEntries(environment: Environment, carried: readonly string[]): Buffer[] {
  return [...environment].map(([name, value]) => {
    const index = carried.indexOf(name);
    return toEntry(index === -1 ? name : `${CARRIER}${index}`, value);
  });
}

/** dash adds only PWD and OLDPWD, so env(1), which takes 0.7 ms, is not needed to remove variables. */
function dashScript(request: LaunchRequest, carried: readonly string[]): string {
  const carriers = carried.map((_, index) => `${CARRIER}${index}`);
  return [
    ...umaskCommand(request),
    'unset PWD OLDPWD',
    ...carried.map((name, index) => `export ${name}="$${carriers[index]}"`),
    ...(carriers.length === 0 ? [] : [`unset ${carriers.join(' ')}`]),
    `${pidVariables(request)}exec "$@"`,
  ].join('; ');
}

/** Other shells add variables that only env(1) can remove; busybox also exports a PATH if there was none. */
function envScript(request: LaunchRequest, tools: Tools): string {
  const added = ['PWD', 'OLDPWD', 'SHLVL', '_', ...(request.environment.has('PATH') ? [] : ['PATH'])];
  const unset = added.map((name) => `-u ${name}`).join(' ');
  const exec = `${pidVariables(request)}exec ${shellWord(tools.find('env'))} ${unset} -- "$@"`;
  return [...umaskCommand(request), exec].join('; ');
}

function umaskCommand({ umask }: LaunchRequest): string[] {
  return umask === undefined ? [] : [`umask ${umask.toString(8).padStart(4, '0')}`];
}

/** Set as variables of the command that the shell executes, so that the shell's pid is that of the service. */
function pidVariables(request: LaunchRequest): string {
  return pidNames(request)
    .map((name) => `${name}=$$ `)
    .join('');
}

function pidNames(request: LaunchRequest): string[] {
  return [
    ...(wantsListenPid(request) ? ['LISTEN_PID'] : []),
    ...(wantsWatchdogPid(request) ? ['WATCHDOG_PID'] : []),
  ];
}

function wantsWatchdogPid({ watchdogPid = false, environment }: LaunchRequest): boolean {
  return watchdogPid && !environment.has('WATCHDOG_PID');
}

/** A LISTEN_PID in the config stays unchanged. */
function wantsListenPid(request: LaunchRequest): boolean {
  return request.listenPid && !request.environment.has('LISTEN_PID');
}
