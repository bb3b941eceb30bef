import { type Command, optionOf, type Program, textOf, UNKNOWN, unique } from '../program.ts';

const DEFAULT_PORT = '9292';

/** puma finds inherited sockets by their addresses, so zero's listeners are the addresses of its `bind`. */
export function puma({ args, folder, listen }: Command): Program {
  const bound = [...bindsOfArguments(args), ...bindsOfConfig(args, folder)];
  // An address that the user specifies replaces those of the config.
  const own = listen.length > 0 && bound.length === 0 ? listen.map(bindOf) : [];
  const binds = bound.length > 0 ? bound : [`tcp://0.0.0.0:${DEFAULT_PORT}`];
  return {
    ...UNKNOWN,
    addresses: unique(binds.map(addressOf)),
    args: [...args, ...own.flatMap((bind) => ['-b', bind])],
    sockets: [
      'puma finds the socket by this address: it must equal the address of its bind, written as an IP address.',
    ],
    // Without the gem sd_notify, puma 5 reports an error at each start if NOTIFY_SOCKET is set.
    protocols: ['systemd'],
    changes: [],
  };
}

function bindsOfArguments(args: readonly string[]): string[] {
  const bind = optionOf(args, '-b', '--bind');
  const port = optionOf(args, '-p', '--port');
  return [...(bind === null ? [] : [bind]), ...(port === null ? [] : [`tcp://0.0.0.0:${port}`])];
}

function bindsOfConfig(args: readonly string[], folder: string): string[] {
  const given = optionOf(args, '-C', '--config');
  const text =
    (given === null
      ? (textOf(folder, 'config/puma.rb') ?? textOf(folder, 'puma.rb'))
      : textOf(folder, given)) ?? '';
  const lines = text.replaceAll(/^\s*#.*$/gm, '');
  const binds = [...lines.matchAll(/^\s*bind\s*\(?\s*['"]([^'"#]+)['"]/gm)].map(([, bind = '']) => bind);
  // `port 3000`, `port ENV.fetch("PORT") { 3000 }`, `port ENV["PORT"] || 3000`, `port ENV.fetch("PORT", 3000)`
  const ports = [...lines.matchAll(/^\s*port\b[^\n]*?(\d{2,5})\b/gm)].map(
    ([, port = '']) => `tcp://0.0.0.0:${port}`,
  );
  return [...binds, ...ports];
}

function addressOf(bind: string): string {
  const unix = /^unix:\/\/([^?]+)/.exec(bind)?.[1];
  if (unix !== undefined) return `unix:${unix.startsWith('/') ? '' : './'}${unix}`;
  const address = bind.replace(/^(tcp|ssl):\/\//, '').replace(/\?.*$/, '');
  return address.replace(/^localhost:/, '127.0.0.1:').replace(/^0\.0\.0\.0:/, 'tcp4:0.0.0.0:');
}

/** An address of zero in puma's notation. */
function bindOf(address: string): string {
  if (address.startsWith('unix:')) return address.replace('unix:', 'unix://');
  if (/^:?\d+$/.test(address)) return `tcp://0.0.0.0:${address.replace(':', '')}`;
  return `tcp://${address.replace(/^tcp[46]?:/, '').replace(/^localhost:/, '127.0.0.1:')}`;
}
