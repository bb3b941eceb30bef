import { formatHostPort } from '../../../common/host-port.ts';
import { type Command, optionOf, type Program, textOf, UNKNOWN, unique, withoutOptions } from '../program.ts';

const FIRST_FD = 3;

/** haproxy: its config must contain the descriptor, `bind fd@3`. */
export function haproxy({ args, folder, listen }: Command): Program {
  const file = optionOf(args, '-f');
  const text = (file === null ? null : textOf(folder, file)) ?? '';
  const binds = [...text.matchAll(/^[ \t]*bind[ \t]+([^\s#]+)/gm)].flatMap(([, where = '']) =>
    where.split(','),
  );
  const own = unique(binds.filter((where) => !where.startsWith('fd@')));
  const isMasterless = args.includes('-db');
  const kept = args.filter((argument) => argument !== '-D' && argument !== '-W' && argument !== '-Ws');
  return {
    ...UNKNOWN,
    addresses: own.map(addressOf),
    // Starts a master and its worker. The master reports when the worker is ready.
    args: isMasterless ? kept : ['-Ws', ...withoutOptions(kept)],
    sockets: ['haproxy takes it by `bind fd@3` in its config.'],
    notifies: !isMasterless,
    // haproxy's soft stop. SIGTERM would cut off requests in progress.
    shutdownSignal: 'SIGUSR1',
    changes: own.map(
      (where, index) =>
        `${file}: write "bind fd@${FIRST_FD + (listen.length > 0 ? Math.min(index, listen.length - 1) : index)}" instead of "bind ${where}".`,
    ),
  };
}

function addressOf(where: string): string {
  if (where.startsWith('/')) return `unix:${where}`;
  if (/^(unix|abns)@/.test(where)) return where.replace(/^unix@/, 'unix:').replace(/^abns@/, 'unix:@');
  const [, host = '', port = ''] = /^(?:ipv[46]@)?(.*):(\d+)$/.exec(where) ?? [];
  if (host === '' || host === '*') return `tcp4:0.0.0.0:${port}`;
  return formatHostPort({ host: host.replaceAll(/[[\]]/g, ''), port });
}
