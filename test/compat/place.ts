import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { findProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { ROOT, ZERO_COMMAND } from '../support/paths.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import type { RawConfig } from '../support/zero-config.ts';
import type { CompatServer, Source } from './server.ts';

/** Contains the package.json of the servers from npm. main.ts installs them on demand. */
export const PACKAGES: string = join(ROOT, 'test', 'compat', 'packages');

const MODULES = join(PACKAGES, 'node_modules');

export const EXAMPLES: string = join(ROOT, 'examples', 'programs');

/**
 * Nothing may block, because other servers are under load at the same time. Rejects with the standard error of the
 * command.
 */
const run = promisify(execFile);

/** A copy of the example with the addresses and directories of this run. */
export interface Place {
  readonly folder: string;
  /** In the form that a config and `parseTarget` accept. */
  readonly address: string;
  readonly config: RawConfig;
  /** The environment of the user's shell. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Whether the server is a Node program, which may need packages. */
const isNode = ({ source }: CompatServer): boolean => 'node' in source || 'npm' in source;

/** The executable or the package; null if it is not installed. */
export function findSource(source: Source): string | null {
  if ('node' in source) return process.execPath;
  if ('npm' in source) {
    const folder = join(MODULES, source.npm);
    return existsSync(folder) ? folder : null;
  }
  for (const name of [source.program, ...(source.alternatives ?? [])]) {
    const found = findProgram(name);
    if (found !== null) return found;
  }
  return null;
}

/** The version of a result of `findSource`, with the name of its package. */
export async function versionOf(source: Source, found: string): Promise<string> {
  if ('node' in source) return `Node ${process.versions.node}`;
  if ('npm' in source) {
    const { version } = JSON.parse(readFileSync(join(found, 'package.json'), 'utf8')) as { version: string };
    return `npm ${source.npm} ${version}`;
  }
  // The upstream version without the epoch and the revision of the package.
  const format = '--showformat=${Version}';
  const name =
    source.alternatives === undefined ? source.debian : `${basename(found).replace(/^php-fpm/, 'php')}-fpm`;
  const { stdout: full } = await run('dpkg-query', ['--show', format, name]);
  return `Debian ${name} ${full.replace(/^\d+:/, '').replace(/-[^-]*$/, '')}`;
}

async function addressOf(network: CompatServer['network'], folder: string): Promise<string> {
  if (network === 'unix') return `unix:${join(folder, 'socket')}`;
  return freeAddress();
}

function replaceInFiles(folder: string, replacements: readonly (readonly [string, string])[]): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const before = readFileSync(file, 'utf8');
    let text = before;
    for (const [from, to] of replacements) text = text.replaceAll(from, to);
    if (text !== before) writeFileSync(file, text);
  }
}

/** The config that `zero init` writes for the command. */
async function initialize(folder: string, address: string, command: readonly string[]): Promise<RawConfig> {
  const [program, ...first] = ZERO_COMMAND;
  await run(program, [...first, 'init', '--listen', address, '--', ...command], {
    cwd: folder,
    env: { ...process.env, ZERO_CONFIG: '' },
  });
  return parse(readFileSync(join(folder, 'zero.yaml'), 'utf8')) as RawConfig;
}

/** Copies the example, adapts it to this run, and builds it if necessary. `backend` replaces 127.0.0.1:9000. */
export async function preparePlace(
  scope: Scope,
  server: CompatServer,
  found: string,
  backend: string,
): Promise<Place> {
  const folder = join(temporaryFolder(scope), 'example');
  cpSync(join(EXAMPLES, server.example), folder, { recursive: true });
  for (const parent of [dirname(folder), folder]) chmodSync(parent, 0o755);
  mkdirSync(join(folder, 'run'), { mode: 0o755 });
  for (const [from, to] of server.files ?? []) renameSync(join(folder, from), join(folder, to));
  const address = await addressOf(server.network, folder);
  const [host = '', port = ''] = address.split(':');
  replaceInFiles(folder, [
    ['127.0.0.1:8080', address],
    ['127.0.0.1:9000', backend],
    ['127.0.0.1@8080', `${host}@${port}`],
    ['/usr/bin/deno', join(MODULES, '@deno', 'linux-x64-glibc', 'deno')],
    ['/usr/sbin/php-fpm8.2', found],
    ['/srv/example', folder],
    [' /run/', ` ${folder}/run/`],
    ['"/run/', `"${folder}/run/`],
    [':/run/', `:${folder}/run/`],
  ]);
  if (isNode(server)) symlinkSync(MODULES, join(folder, 'node_modules'));
  for (const [program, ...args] of server.build ?? [])
    await run(program, args, { cwd: folder, timeout: 600_000 });
  const config =
    server.config === undefined
      ? await initialize(
          folder,
          address,
          (server.command ?? []).map((word) => word.replace('HOST', host).replace('PORT', port)),
        )
      : (parse(readFileSync(join(folder, server.config), 'utf8')) as RawConfig);
  const [listener] = config.service.listeners ?? [];
  // `:8080` in a program means any host.
  const environment = server.command === undefined ? {} : { HOST: host, PORT: port };
  return { folder, address: String(listener?.address ?? address), config, environment };
}
