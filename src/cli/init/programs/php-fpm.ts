import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  type Command,
  filesOf,
  optionOf,
  type Program,
  textOf,
  UNKNOWN,
  unique,
  withoutOptions,
} from '../program.ts';

/** php-fpm finds inherited sockets by their addresses, so zero's listeners are the addresses of its pools. */
export function phpFpm({ kind, args, folder }: Command): Program {
  const file = path.resolve(folder, optionOf(args, '-y', '--fpm-config') ?? defaultConfig(kind));
  const main = withoutComments(textOf(folder, file) ?? '');
  const pools = [...main.matchAll(/^\s*include\s*=\s*(\S+)/gm)].flatMap(([, pattern = '']) =>
    filesOf(path.dirname(file), pattern),
  );
  const text = [main, ...pools.map((pool) => withoutComments(textOf(folder, pool) ?? ''))].join('\n');
  const listens = unique([...text.matchAll(/^\s*listen\s*=\s*(\S+)/gm)].map(([, where = '']) => where));
  const timeout = /^\s*process_control_timeout\s*=\s*(\d+)/m.exec(text)?.[1] ?? '0';
  return {
    ...UNKNOWN,
    addresses: listens.map(addressOf),
    args: [
      '-F',
      ...withoutOptions(args).filter((argument) => !/^(-F|-D|--nodaemonize|--daemonize)$/.test(argument)),
    ],
    sockets: ['php-fpm finds the socket by this address: it must be the `listen` of the pool.'],
    protocols: ['fpm'],
    shutdownSignal: 'SIGQUIT',
    changes: [
      ...(listens.length > 0 ? [] : [`${file}: no pool with a listen was found. Add one for each listener.`]),
      // With its default, 0, php-fpm ends its children during requests (fpm_process_ctl.c).
      ...(timeout === '0' ? [`${file}: set process_control_timeout = 25s under [global].`] : []),
      ...(/^\s*daemonize\s*=\s*yes/m.test(text) ? [`${file}: remove "daemonize = yes".`] : []),
    ],
  };
}

/** Debian has one file for each version of PHP, other distributions have one. */
function defaultConfig(kind: string): string {
  const version = kind.replace(/^php-fpm/, '');
  const candidates = [
    `/etc/php/${version}/fpm/php-fpm.conf`,
    '/usr/local/etc/php-fpm.conf',
    '/etc/php-fpm.conf',
  ];
  return candidates.find((file) => existsSync(file)) ?? '/etc/php-fpm.conf';
}

function withoutComments(text: string): string {
  return text.replaceAll(/^\s*;.*$/gm, '');
}

function addressOf(where: string): string {
  if (where.startsWith('/')) return `unix:${where}`;
  return /^\d+$/.test(where) ? `[::]:${where}` : where;
}
