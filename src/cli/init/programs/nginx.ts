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

const CONFIG = '/etc/nginx/nginx.conf';
/** Limit for nested includes, which may be circular. */
const MAX_DEPTH = 10;

/** nginx finds inherited sockets by their addresses, so zero's listeners are the addresses of its `listen`. */
export function nginx({ args, folder }: Command): Program {
  const file = path.resolve(folder, optionOf(args, '-c') ?? CONFIG);
  const text = withIncludes(file, path.dirname(file), MAX_DEPTH);
  const listens = [...text.matchAll(/(?:^|[;{}\s])listen\s+([^;{}]+)(?=;)/g)].map(([, words = '']) =>
    words.trim(),
  );
  const given = optionOf(args, '-g') ?? '';
  const own = [
    ...(given === '' ? [] : [given.replace(/;?\s*$/, ';')]),
    ...(/(?:^|;)\s*daemon\s/.test(given) || hasDirective(text, 'daemon') ? [] : ['daemon off;']),
    // A file for each generation, because the old nginx removes its own file when it exits.
    ...(/(?:^|;)\s*pid\s/.test(given) || hasDirective(text, 'pid')
      ? []
      : [`pid ${process.geteuid?.() === 0 ? '/run' : folder}/nginx.\${generation}.\${worker}.pid;`]),
  ];
  return {
    ...UNKNOWN,
    addresses: unique(listens.map(addressOf)),
    args: [...withoutOptions(args, '-g'), ...(own.length > 0 ? ['-g', own.join(' ')] : [])],
    sockets: [
      'nginx finds the socket by this address: each `listen` of nginx.conf must be one of these listeners.',
    ],
    protocols: ['nginx'],
    // nginx does not report when it is ready. If an address is in use, it retries for 2.5 s before it exits.
    reloadUptime: '3s',
    shutdownSignal: 'SIGQUIT',
    changes: [
      ...(listens.length > 0 ? [] : [`${file}: no listen directive was found. Add one for each listener.`]),
      ...(listens.some((words) => /\sreuseport\b/.test(words))
        ? [`${file}: remove reuseport from listen.`]
        : []),
      ...(/(?:^|[;{}\s])daemon\s+on\s*;/.test(text) ? [`${file}: remove "daemon on;".`] : []),
    ],
  };
}

/** The text of a config without comments, with all included files. */
function withIncludes(file: string, base: string, depth: number): string {
  const text = (textOf(base, file) ?? '').replaceAll(/(^|\s)#.*$/gm, '$1');
  if (depth === 0) return text;
  return text.replaceAll(
    /(^|[;{}\s])include\s+([^;{}\s]+)\s*(?=;)/g,
    (_, before: string, pattern: string) => {
      const files = filesOf(base, pattern.replaceAll(/^['"]|['"]$/g, ''));
      return `${before}${files.map((one) => withIncludes(one, base, depth - 1)).join('\n')}\n`;
    },
  );
}

function hasDirective(text: string, name: string): boolean {
  return new RegExp(`(?:^|[;{}\\s])${name}\\s+[^;{}]+;`).test(text);
}

/**
 * Without a host nginx listens on IPv4. `[::]` means IPv6 only unless the config changes that (ngx_http_core_module).
 */
function addressOf(words: string): string {
  const [where = '', ...options] = words.split(/\s+/);
  if (where.startsWith('unix:')) return where;
  if (/^\d+$/.test(where)) return `tcp4:0.0.0.0:${where}`;
  const [, host = '', port = '80'] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(where) ?? [];
  if (host === '*' || host === '0.0.0.0') return `tcp4:0.0.0.0:${port}`;
  if (host === '[::]') return options.includes('ipv6only=off') ? `[::]:${port}` : `tcp6:[::]:${port}`;
  return `${host === 'localhost' ? '127.0.0.1' : host}:${port}`;
}
