import type { RuntimeConfig } from '../config/schema.ts';
import type { Tools } from './commands.ts';
import { type Environment, toEntries, toEntry } from './environment.ts';
import type { TargetUser } from './target-user.ts';

export interface LaunchRequest {
  /** Absolute. */
  readonly executable: string;
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly user: Pick<TargetUser, 'uid' | 'gid' | 'groups' | 'switches'> | null;
  readonly limits: RuntimeConfig['limits'];
  /** Permission bits; undefined keeps the supervisor's. */
  readonly umask: number | undefined;
  /** Give the service LISTEN_PID. */
  readonly listenPid: boolean;
}

/** What posix_spawn(3) is called with. */
export interface Launch {
  readonly path: string;
  readonly argv: readonly string[];
  readonly environment: readonly Buffer[];
}

/**
 * The programs that execute one another on the way to the service, all in the same process, so that the pid stays:
 * `[prlimit] [setpriv] [sh -c 'umask; exec [env]'] service`, each only where it is needed. The service's argv and environment are exact
 * whatever stands in front of it.
 *
 * - LISTEN_PID must be the pid of the final process (sd_listen_fds(3)), which nobody knows before it exists: only a shell can say `$$`.
 * - A shell drops names that are no identifiers, adds PWD, SHLVL and others, and acts on some (LC_ALL, OPTIND, SHELLOPTS). Such
 *   variables travel through it under another name and become arguments of env(1), where /proc/PID/cmdline shows them for about half a
 *   millisecond; ordinary variables stay in the environment and never become arguments.
 * - Those that the dynamic linker obeys travel the same way, because prlimit and setpriv still run as root.
 */
export function launchChain(request: LaunchRequest, tools: Tools): Launch {
  const { executable, args, environment } = request;
  const prefix = [...limitArguments(request.limits, tools), ...userArguments(request.user, tools)];
  const special = [...environment].filter(([name]) => isSpecial(name));
  const shell =
    request.listenPid || request.umask !== undefined || (prefix.length > 0 && special.length > 0)
      ? shellArguments(request, special.length, tools)
      : null;
  const argv = [...prefix, ...(shell ?? []), executable, ...args];
  return {
    path: argv[0] ?? executable,
    argv,
    environment: shell === null ? toEntries(environment) : carriedEntries(environment, special),
  };
}

function limitArguments(limits: RuntimeConfig['limits'], tools: Tools): string[] {
  const options = Object.entries(limits).flatMap(([name, limit]) =>
    limit === undefined ? [] : [`--${name}=${limit.soft}:${limit.hard}`],
  );
  return options.length === 0 ? [] : [tools.find('prlimit'), ...options, '--'];
}

function userArguments(user: LaunchRequest['user'], tools: Tools): string[] {
  if (!user?.switches) return [];
  const groups = user.groups.length === 0 ? '--clear-groups' : `--groups=${user.groups.join(',')}`;
  return [tools.find('setpriv'), `--reuid=${user.uid}`, `--regid=${user.gid}`, groups, '--'];
}

// What dash, bash and busybox set by themselves, do not pass on, or act upon, and what steers the dynamic linker and the C library
// (unsecure_envvars of glibc, ld.so(8)). bash(1) "Shell Variables"; found by passing every name through both shells.
const SPECIAL = new RegExp(
  `^(?:${[
    '_|PWD|OLDPWD|SHLVL|IFS|OPT(?:IND|ARG|ERR)|PPID|LINENO|PS[0-4]|ENV|MAIL(?:PATH|CHECK)?|E?UID|GROUPS|CDPATH|TMOUT',
    'RANDOM|SRANDOM|SECONDS|EPOCH\\w+|HIST\\w+|COMP_\\w+|COMPREPLY|COPROC|DIRSTACK|FUNC(?:NAME|NEST)|GLOBIGNORE|EXECIGNORE',
    'PIPESTATUS|REPLY|SHELLOPTS|BASH\\w*|POSIXLY_CORRECT|KSH_VERSION|LINES|COLUMNS',
    'LC_\\w+|LANGUAGE|LD_\\w+|GCONV_PATH|GETCONF_DIR|GLIBC_TUNABLES|LOCPATH|NLSPATH|MALLOC_\\w+|ZERO_CARRIED_\\w+',
  ].join('|')})$`,
);

/** True for a variable that cannot go through a shell, or should not act on the launcher's own programs. */
function isSpecial(name: string): boolean {
  return !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || SPECIAL.test(name);
}

const ADDED_BY_SHELLS = ['PWD', 'OLDPWD', 'SHLVL', '_'];

// The name that a special variable has inside the shell. What begins like it is special itself, so there is no collision.
function carrier(index: number): string {
  return `ZERO_CARRIED_${index}`;
}

function carriedEntries(environment: Environment, special: readonly (readonly [string, Buffer])[]): Buffer[] {
  const ordinary = [...environment].filter(([name]) => !isSpecial(name));
  return [
    ...ordinary.map(([name, value]) => toEntry(name, value)),
    ...special.map(([name, value], index) => toEntry(carrier(index), toEntry(name, value))),
  ];
}

function shellArguments(request: LaunchRequest, carried: number, tools: Tools): string[] {
  const shell = tools.find('sh');
  const umask = request.umask === undefined ? '' : `umask ${request.umask.toString(8).padStart(4, '0')}; `;
  const ownPid = request.listenPid && !request.environment.has('LISTEN_PID');
  // dash adds nothing but PWD and OLDPWD: env(1), which takes 0.7 ms, is not needed to take that away again.
  if (carried === 0 && tools.isDash(shell))
    return [shell, '-c', `${umask}unset PWD OLDPWD; ${ownPid ? 'LISTEN_PID=$$ ' : ''}exec "$@"`, 'sh'];
  const carriers = Array.from({ length: carried }, (_, index) => carrier(index));
  const unset = [...ADDED_BY_SHELLS, ...carriers].map((name) => `-u ${name}`);
  const assignments = [...(ownPid ? ['LISTEN_PID=$$'] : []), ...carriers.map((name) => `"$${name}"`)];
  // env(1) takes everything with a "=" for a variable until the first word without one; nice(1) takes any path for the command.
  const through = request.executable.includes('=') ? [quote(tools.find('nice')), '-n', '0'] : [];
  const exec = ['exec', quote(tools.find('env')), ...unset, '--', ...assignments, ...through, '"$@"'].join(
    ' ',
  );
  return [shell, '-c', umask + exec, 'sh'];
}

function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
