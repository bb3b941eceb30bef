import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { findCommand } from '../../common/find-command.ts';
import { MAX_SOCKET_PATH } from '../../common/host-port.ts';
import { unmapped } from '../../common/inet.ts';
import { adviceOn, type Config, type Finding, type Path, wrongValue } from '../../config/index.ts';
import { isSteered } from '../../config/steering.ts';
import { lanesNeeded } from '../../lifecycle/lane.ts';
import { descriptorLimit } from '../../linux/limits.ts';
import { lookupGroup, lookupUser } from '../../linux/users.ts';
import { releaseProblems } from '../../workers/spawning/release.ts';
import { ReleaseError } from '../../workers/spawning/release-error.ts';
import { resolveUser, type TargetUser } from '../../workers/spawning/target-user.ts';
import type { Origin } from '../instance/default-name.ts';
import { controlSocketOf, instanceName, runtimeDirectoryOf } from '../instance/instance.ts';
import { workersOf } from '../run/settings.ts';
import {
  configAsFile,
  type OpenFile,
  obeyedFiles,
  openFiles,
  serviceOpenFiles,
} from '../run/trusted-files.ts';

/** Findings of `zero check` on this machine, beyond the rules of the file. */
export interface Findings {
  /** Problems that make zero refuse the config. */
  readonly errors: readonly Finding[];
  /** Problems that exist now, or probable mistakes. A missing file or user may be created later. */
  readonly warnings: readonly Finding[];
}

/** The notify socket of a worker: GENERATION.WORKER.START. The first one, and a long one of an old instance. */
const NOTIFY_SOCKET = { first: 'notify/1.0.1', later: 'notify/9999.99.999' };

/**
 * Checks every file, user, address and path that a valid config refers to. Changes nothing.
 * @param origin the source of the config
 */
export function checkMachine(config: Config, origin: Origin): Findings {
  const { errors, warnings } = socketPaths(config, instanceName(config, origin));
  const open = openFindings(config, origin);
  return {
    errors: [...errors, ...sameFiles(config), ...open.errors],
    warnings: [
      ...adviceOn(config),
      ...warnings,
      ...releaseFindings(config),
      ...open.warnings,
      ...commandFindings(config),
      ...listenerFindings(config),
      ...descriptorFindings(config),
      ...applicationFindings(config),
    ],
  };
}

/** A path that is too long for a socket is an error on every machine. */
function socketPaths(config: Config, name: string): Findings {
  const runtimeDirectory = runtimeDirectoryOf(config, name);
  const { application } = config;
  const own = application.control.path !== undefined;
  const control = controlSocketOf(config, { runtimeDirectory }).path;
  const about: Path =
    application.runtime_directory === undefined
      ? ['service', 'runtime', 'name']
      : ['application', 'runtime_directory'];
  const lengthOf = (file: string) => Buffer.byteLength(path.join(runtimeDirectory, file));
  const needed = Math.max(lengthOf(NOTIFY_SOCKET.first), own ? 0 : Buffer.byteLength(control));
  const tooLong = (bytes: number) =>
    `the runtime directory ${runtimeDirectory} is too long: sockets in it have paths of ${bytes} bytes, and a Unix socket can have ${MAX_SOCKET_PATH}`;
  if (own && Buffer.byteLength(control) > MAX_SOCKET_PATH) {
    const problem = `${control} has ${Buffer.byteLength(control)} bytes: the path of a Unix socket can have ${MAX_SOCKET_PATH}`;
    return { errors: [wrongValue(['application', 'control', 'path'], problem)], warnings: [] };
  }
  if (needed > MAX_SOCKET_PATH) return { errors: [wrongValue(about, tooLong(needed))], warnings: [] };
  const later = lengthOf(NOTIFY_SOCKET.later);
  return { errors: [], warnings: later > MAX_SOCKET_PATH ? [wrongValue(about, tooLong(later))] : [] };
}

/** Finds one file under two names. */
function sameFiles({ service }: Config): Finding[] {
  const files = service.listeners.map(({ address }) =>
    address.kind === 'unix' && !address.path.startsWith('@') ? realFile(address.path) : null,
  );
  return files.flatMap((file, index) => {
    const first = files.indexOf(file);
    const [one, other] = [service.listeners[index]?.address.text, service.listeners[first]?.address.text];
    if (file === null || first === index || one === other) return [];
    return [
      listenerFinding(index, 'address', `"${one}" is the same file as service.listeners[${first}].address`),
    ];
  });
}

function realFile(file: string): string {
  const absolute = path.resolve(file);
  try {
    return path.join(realpathSync(path.dirname(absolute)), path.basename(absolute));
  } catch {
    return absolute;
  }
}

/** Checks the service itself: its user, directory, executable and files. */
function releaseFindings({ service: { runtime } }: Config): Finding[] {
  const user = targetUser(runtime);
  const problems = releaseProblems(runtime, 'problem' in user ? null : user.user);
  return [
    ...('problem' in user ? [user.problem] : []),
    ...problems.map(({ step, message }) => wrongValue(['service', 'runtime', step], message)),
  ];
}

/** Checks who can write to the config, and to the files that it makes zero execute. */
function openFindings(config: Config, { file }: Origin): Findings {
  const { runtime } = config.service;
  const places = {
    startDirectory: process.cwd(),
    ownPath: process.env.PATH,
    servicePath: servicePathOf(config),
  };
  const files = [...(file === null ? [] : [configAsFile(file)]), ...obeyedFiles(config, places)];
  const finding = ({ key, message }: OpenFile): Finding =>
    key === null ? { path: [], about: 'value', message, named: false } : wrongValue(key, message);
  const user = targetUser(runtime);
  return {
    errors: openFiles(files).map(finding),
    warnings: 'problem' in user ? [] : serviceOpenFiles(files, user.user).map(finding),
  };
}

function servicePathOf({ service: { runtime } }: Config): string | undefined {
  const listed = runtime.environment.find(({ key }) => key === 'PATH')?.value;
  return listed || (runtime.inherit_environment || listed === '' ? process.env.PATH : undefined);
}

function targetUser({
  user,
  group,
}: Config['service']['runtime']): { readonly user: TargetUser | null } | { readonly problem: Finding } {
  try {
    return { user: resolveUser(user, group) };
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    const key = user === undefined || error.message.startsWith('group ') ? 'group' : 'user';
    return { problem: wrongValue(['service', 'runtime', key], error.message) };
  }
}

/**
 * Checks the programs of gates, health checks and hooks. Programs of the service start in its directory, hooks where
 * zero was started.
 */
function commandFindings(config: Config): Finding[] {
  const { service } = config;
  const { runtime, readiness, handover, liveness, hooks } = service;
  const directory = path.resolve(runtime.directory);
  const servicePath = servicePathOf(config);
  const checks: readonly (readonly [Path, readonly string[] | undefined])[] = [
    [['readiness', 'command'], readiness.command?.run],
    [['handover', 'verify', 'command'], handover.verify?.command?.run],
    [['liveness', 'command'], liveness?.command?.run],
  ];
  return [
    ...checks.flatMap(([about, run]) =>
      commandFinding(['service', ...about, 'run'], run, directory, servicePath),
    ),
    ...Object.entries(hooks).flatMap(([name, hook]) =>
      commandFinding(['service', 'hooks', name, 'run'], hook?.run, process.cwd(), process.env.PATH),
    ),
  ];
}

function commandFinding(
  about: Path,
  run: readonly string[] | undefined,
  directory: string,
  searchPath = '/usr/bin:/bin',
): Finding[] {
  const [name] = run ?? [];
  if (name === undefined) return [];
  const found = findCommand(name, searchPath);
  if (found === null) return [wrongValue([...about, 0], `${name} was not found in PATH`)];
  const file = path.resolve(directory, found);
  const code = accessProblem(file);
  return code === null ? [] : [wrongValue([...about, 0], `${file}: ${code}`)];
}

function accessProblem(file: string): string | null {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile() ? null : 'it is not a file';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'ENOENT: it does not exist' : `${code}`;
  }
}

/** Checks the places of listeners: directories, owners, addresses and interfaces of this machine. */
function listenerFindings({ service }: Config): Finding[] {
  const local = new Set(
    Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address)),
  );
  return service.listeners.flatMap(({ address, owner, group, options }, index) => {
    const findings: Finding[] = [];
    const say = (key: string, problem: string | null) => {
      if (problem !== null) findings.push(listenerFinding(index, key, problem));
    };
    if (address.kind === 'unix' && !address.path.startsWith('@'))
      say('address', directoryProblem(address.path));
    if (
      address.kind === 'inet' &&
      isElsewhere(address.host, local) &&
      !options.free_bind &&
      !options.transparent
    )
      say(
        'address',
        `this machine does not have the address ${address.host}. Run "ip address", or set free_bind`,
      );
    if (owner !== undefined) say('owner', userProblem(owner));
    if (group !== undefined) say('group', groupProblem(group));
    const device = options.bind_to_device;
    if (device !== undefined && !existsSync(`/sys/class/net/${device}`))
      say('options', `bind_to_device: network interface ${device} does not exist`);
    return findings;
  });
}

/** The number of zero's descriptors per worker: a pidfd, pipes for its output, a notify socket. */
const PER_WORKER = 6;
/** The number of zero's other descriptors: log, state, control socket and its clients. */
const OWN = 100;

/** A service unit may give zero another limit than this process has. */
function descriptorFindings(config: Config): Finding[] {
  const limit = descriptorLimit().hard;
  const { service } = config;
  const { listeners, handover } = service;
  const lanes = lanesNeeded(workersOf(config), handover.max_retiring);
  const sockets = listeners.reduce((sum, listener) => sum + (isSteered(listener, service) ? lanes : 1), 0);
  const needed = sockets + lanes * PER_WORKER + OWN;
  if (limit === 'unlimited' || needed <= limit) return [];
  return [
    wrongValue(
      ['service', 'listeners'],
      `${listeners.length} listeners need about ${needed} descriptors, and a process that is started from here may open ${limit}. Raise the hard limit (ulimit -Hn, LimitNOFILE= in a systemd unit)`,
    ),
  ];
}

/** Whether a literal address belongs to no interface. All of 127.0.0.0/8 is local (lo has its prefix). */
function isElsewhere(host: string, local: ReadonlySet<string>): boolean {
  const literal = unmapped(host) ?? host;
  if (!/^[\d.]+$/.test(literal) && !literal.includes(':')) return false;
  return !literal.startsWith('127.') && !local.has(literal.replace(/%.*$/, ''));
}

function applicationFindings({ application, service }: Config): Finding[] {
  const { control, logging } = application;
  const findings: Finding[] = [];
  const say = (about: Path, problem: string | null) => {
    if (problem !== null) findings.push(wrongValue(about, problem));
  };
  if (control.path !== undefined) say(['application', 'control', 'path'], directoryProblem(control.path));
  if (control.group !== undefined) say(['application', 'control', 'group'], groupProblem(control.group));
  if (logging.file !== undefined) say(['application', 'logging', 'file'], directoryProblem(logging.file));
  const directory = path.resolve(service.runtime.directory);
  for (const [index, watched] of (service.watch?.paths ?? []).entries()) {
    const file = path.resolve(directory, watched);
    if (!existsSync(file)) say(['service', 'watch', 'paths', index], `${file} does not exist`);
  }
  return findings;
}

function directoryProblem(file: string): string | null {
  const directory = path.dirname(path.resolve(file));
  try {
    return statSync(directory).isDirectory() ? null : `${directory} is not a directory`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT'
      ? `the directory ${directory} does not exist`
      : `the directory ${directory}: ${code}`;
  }
}

function userProblem(user: string): string | null {
  return lookupUser(user) !== null || /^\d+$/.test(user) ? null : `user ${user} does not exist`;
}

function groupProblem(group: string): string | null {
  return lookupGroup(group) !== null || /^\d+$/.test(group) ? null : `group ${group} does not exist`;
}

function listenerFinding(index: number, key: string, problem: string): Finding {
  return wrongValue(['service', 'listeners', index, key], problem);
}
